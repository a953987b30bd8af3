"""Fixtures that every room may use."""

import os
from collections.abc import Iterator

import pytest

from tests.servers._require import need
from tests.servers.kafka import Broker, NoKafkaError, broker
from tests.servers.mlflow import Mlflow, NoMlflowError
from tests.servers.mlflow import server as mlflow
from watchtower.edges.children import SILENT


def pytest_configure(config: pytest.Config) -> None:
    """No telemetry from any library. kafka-python reads its schemas in a way that Python 3.11 alone calls old."""
    os.environ.update(SILENT)
    for module in ("kafka.protocol.schemas.load_json", "importlib.resources._legacy"):
        config.addinivalue_line("filterwarnings", f"ignore:(read_text|open_text) is deprecated:DeprecationWarning:{module}")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """A real broker for the whole session."""
    running = broker()
    try:
        started = running.__enter__()
    except NoKafkaError as missing:
        need("kafka", str(missing))
    yield started
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def mlflow_server() -> Iterator[Mlflow]:
    """A real MLflow server for the whole session."""
    running = mlflow()
    try:
        started = running.__enter__()
    except NoMlflowError as missing:
        need("mlflow", str(missing))
    yield started
    running.__exit__(None, None, None)
