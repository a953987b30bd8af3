"""What the tests of the target kubernetes put into a cluster, strict or real."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from watchtower.rollback_targets import TargetSession
from watchtower.rollback_targets.kubernetes import Kubernetes

Json = dict[str, Any]
IMAGE = "registry.example/fraud:{version}"
AT = "/spec/template/spec/containers/0/image"


class World(Protocol):
    """A namespace of a cluster."""

    sick: set[str]

    def kubeconfig(self, folder: Path, rules: list[Json] | None = None) -> Path: ...

    def create(self, plural: str, found: Json) -> Json: ...

    def get(self, plural: str, name: str) -> Json: ...

    def items(self, plural: str) -> list[Json]: ...

    def patch(self, plural: str, name: str, operations: list[Json]) -> Json: ...

    def delete(self, plural: str, name: str) -> None: ...

    def settle(self) -> None: ...


def deployment(image: str, name: str = "fraud", **spec: Any) -> Json:
    """A Deployment of one container; its pods carry a label, an annotation and a variable too."""
    pods = {"containers": [{"name": "model", "image": image, "env": [{"name": "MODEL_VERSION", "value": "s3://models/fraud/1/"}]}]}
    template = {"metadata": {"labels": {"app": name, "model-version": "1"}, "annotations": {"models.example/version": "1"}}, "spec": pods}
    return {"metadata": {"name": name}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}}


def fraud(world: World, *versions: str, **spec: Any) -> Json:
    """The Deployment `fraud`, which had these versions one after the other."""
    world.create("deployments", deployment(IMAGE.format(version=versions[0]), **spec))
    world.settle()
    for version in versions[1:]:
        image_is(world, version)
        world.settle()
    return world.get("deployments", "fraud")


def image_is(world: World, version: str) -> None:
    """Somebody deploys *version*."""
    world.patch("deployments", "fraud", [{"op": "replace", "path": AT, "value": IMAGE.format(version=version)}])


def pod(name: str, colour: str, *, ready: bool = True) -> Json:
    """A pod of one colour."""
    made: Json = {"metadata": {"name": name, "labels": {"app": "fraud", "colour": colour}}, "spec": {"containers": [{"name": "model", "image": "x"}]}}
    if ready:
        made["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    return made


def service(colour: str) -> Json:
    """A Service that sends its traffic to one colour."""
    return {"metadata": {"name": "fraud"}, "spec": {"selector": {"app": "fraud", "colour": colour}, "ports": [{"port": 80}]}}


def opened(world: World, at: Path, *, rules: list[Json] | None = None, **settings: Any) -> TargetSession:
    """The target of `fraud` by its image, or as the *settings* say, as a user with these *rules*."""
    given: Json = {"version": {"image": IMAGE}, "kubeconfig": str(world.kubeconfig(at, rules)), "time_limit": "20s"} | settings
    return Kubernetes.model_validate(given if "service" in given else {"deployment": "fraud"} | given).open()


def written(found: Json) -> object:
    """What anybody wrote of an object, without what only counts or tells."""
    annotations = {key: value for key, value in found["metadata"].get("annotations", {}).items() if not key.startswith("deployment.kubernetes.io/")}
    return [found["spec"], annotations]


def wait_for(holds: Callable[[], bool], within: float = 15.0) -> None:
    """Looks until it *holds*."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
