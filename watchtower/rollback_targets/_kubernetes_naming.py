"""Where an object writes the version that it serves, and how it is read from there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from watchtower.nouns.errors import RollbackError
from watchtower.nouns.written import Frozen
from watchtower.rollback_targets._kubernetes_json import Object, Step, at, listed, mapping, text

MARK = "{version}"
TEMPLATE = ("spec", "template")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_WHOLE = r"(?P<version>\S+)"
_PART = r"(?P<version>[^\s/@]+)"
_TAG = re.compile(r"\w[\w.:-]*", re.ASCII)
"""A tag, or a digest with its algorithm."""
_LABEL = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)


class Naming(Frozen):
    """Where the version is written. Exactly one of `image`, `env`, `annotation`, `label` (of a Deployment's pods) and `selector` (of a Service)."""

    image: str | None = None
    """The container's image, with `{version}` where the version stands: `registry.example/fraud:{version}`."""
    env: str | None = None
    """The name of a container's environment variable."""
    annotation: str | None = None
    """The key of an annotation of the pod template."""
    label: str | None = None
    """The key of a label of the pod template."""
    selector: str | None = None
    """The key of a Service's selector: blue-green."""
    pattern: str = MARK
    """What is written there, with `{version}` where the version stands: `s3://models/fraud/{version}/`. Not beside `image`, which is one itself."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("image", "env", "annotation", "label", "selector") if getattr(self, name)]
        if len(given) != 1:
            msg = "say in one place where the version is written: image, env, annotation, label or selector"
            raise ValueError(msg)
        if self.image and self.pattern != MARK:
            msg = "image is a pattern itself: leave out pattern"
            raise ValueError(msg)
        if self.written.count(MARK) != 1:
            msg = f"{self.written!r} must hold {MARK} once"
            raise ValueError(msg)
        return self

    @property
    def written(self) -> str:
        """The pattern."""
        return self.image or self.pattern

    def spell(self, version: str) -> str:
        """What is written for *version*; RollbackError where it would not be read as that version again: names come from logs, and may lead elsewhere."""
        value = self.written.replace(MARK, version)
        fits = _LABEL.fullmatch(value) is not None if self.label or self.selector else not self.image or _TAG.fullmatch(version) is not None
        if not fits or self.read(value) != version:
            msg = f"version {version!r} cannot stand in {self.written!r}: nothing was switched"
            raise RollbackError(msg)
        return value

    def read(self, value: str) -> str | None:
        """The version that *value* names, None where it is not as the pattern says. A pinned image (`…:7@sha256:…`) names its tag's version."""
        if self.image and "@" not in self.image:
            value = _DIGEST.sub("", value)
        before, _, after = self.written.partition(MARK)
        found = re.fullmatch(re.escape(before) + (_PART if before or after else _WHOLE) + re.escape(after), value)
        return found["version"] if found else None

    def pinned(self, value: str) -> bool:
        """Whether *value* is an image that is pinned to a digest beside its tag."""
        return bool(self.image) and "@" not in self.written and _DIGEST.search(value) is not None


@dataclass(frozen=True, slots=True)
class Site:
    """One place in an object: *path* from its root; *value* None where nothing is written there yet."""

    path: tuple[Step, ...]
    value: str | None


def in_template(naming: Naming, container: str | None, holder: Object) -> Site:
    """The place in the pod template of *holder* (a Deployment or a ReplicaSet); RollbackError where it cannot be told which."""
    if naming.annotation or naming.label:
        key, room = naming.annotation or naming.label or "", "annotations" if naming.annotation else "labels"
        path = (*TEMPLATE, "metadata", room, key)
        return Site(path, text(holder, *path) if key in mapping(holder, *path[:-1]) else None)
    return _image(naming, container, holder) if naming.image else _env(naming, container, holder)


def _image(naming: Naming, container: str | None, holder: Object) -> Site:
    sites = _containers(container, holder)
    found = [(*path, "image") for path in sites if container or naming.read(text(holder, *path, "image")) is not None]
    if len(found) != 1:
        images = ", ".join(text(holder, *path, "image") for path in sites) or "none"
        msg = f"{_which(container, found)} image like {naming.image}: the images are {images}; say which with container:"
        raise RollbackError(msg)
    return Site(found[0], text(holder, *found[0]))


def _env(naming: Naming, container: str | None, holder: Object) -> Site:
    found = [
        (*path, "env", index)
        for path in _containers(container, holder)
        for index, each in enumerate(listed(holder, *path, "env"))
        if text(each, "name") == naming.env
    ]
    if len(found) != 1:
        msg = f"{_which(container, found)} environment variable {naming.env}; say which with container:"
        raise RollbackError(msg)
    if at(holder, *found[0], "valueFrom") is not None:
        msg = f"the environment variable {naming.env} comes from elsewhere (valueFrom): only a value in the Deployment itself can be read and switched"
        raise RollbackError(msg)
    return Site((*found[0], "value"), text(holder, *found[0], "value"))


def _containers(container: str | None, holder: Object) -> Sequence[tuple[Step, ...]]:
    """Where the containers stand, those that run before the others too (they often fetch the model)."""
    spec = (*TEMPLATE, "spec")
    found: list[tuple[Step, ...]] = []
    for room in ("containers", "initContainers"):
        found += [(*spec, room, index) for index, each in enumerate(listed(holder, *spec, room)) if container in {None, text(each, "name")}]
    return found


def _which(container: str | None, found: Sequence[object]) -> str:
    inside = f"container {container}" if container else "the pod template"
    return f"{inside} has {len(found) or 'no'}"
