"""Clusters for the target kubernetes."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.rollback_targets.kube_worlds import World
from tests.servers.kube_strict import StrictCluster
from tests.servers.kubernetes import Cluster, kubernetes
from watchtower.rollback_targets import _kubernetes_session


@pytest.fixture(scope="session")
def kube_cluster() -> Iterator[Cluster]:
    """A real API server with its controllers for the whole session."""
    with kubernetes() as running:
        yield running


@pytest.fixture(params=["strict", "real"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty namespace: of the strict local server, and of a real one."""
    monkeypatch.setattr(_kubernetes_session, "POLL", 0.02)
    if request.param == "real":
        with closing(request.getfixturevalue("kube_cluster").room()) as room:
            yield room
        return
    with StrictCluster() as cluster:
        yield cluster


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictCluster]:
    """The strict local server."""
    monkeypatch.setattr(_kubernetes_session, "POLL", 0.002)
    with StrictCluster() as cluster:
        yield cluster
