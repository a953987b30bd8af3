"""A Deployment with three revisions, in a strict local API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd
from tests.rollback_targets.kube_worlds import IMAGE, fraud, image_is
from tests.servers.kube_strict import StrictCluster
from watchtower.rollback_targets import _kubernetes_session
from watchtower.rollback_targets.kubernetes import Kubernetes


@contextmanager
def far_end(at: Path, request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    """What is seen is what anybody wrote: the spec and the annotations, and the generation that counts the writes."""
    patched = pytest.MonkeyPatch()
    request.addfinalizer(patched.undo)
    patched.setattr(_kubernetes_session, "POLL", 0.001)
    with StrictCluster() as cluster:
        fraud(cluster, "1", "3", "2")

        def named(version: str) -> None:
            image_is(cluster, version)
            cluster.settle()

        def back_and_forth() -> None:
            named("3")
            named("2")

        def seen() -> object:
            found = cluster.get("deployments", "fraud")
            return [found["spec"], found["metadata"]["annotations"], found["metadata"]["generation"]]

        def fail() -> None:
            cluster.echoing = True

        settings = Kubernetes(deployment="fraud", version={"image": IMAGE}, kubeconfig=str(cluster.kubeconfig(at, token=SECRET)))
        yield FarEnd(settings, seen, move=lambda: named("3"), touch=back_and_forth, fail=fail, secrets=True)
