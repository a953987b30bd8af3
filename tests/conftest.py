"""Fixtures that every room may use."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers._require import need

if TYPE_CHECKING:
    from tests.servers.kafka import Broker


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator["Broker"]:
    """A real broker for the whole session."""
    from tests.servers.kafka import NoKafkaError, broker

    try:
        running = broker()
        started = running.__enter__()
    except NoKafkaError as missing:
        need("kafka", str(missing))
    yield started
    running.__exit__(None, None, None)
