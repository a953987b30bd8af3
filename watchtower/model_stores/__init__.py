"""Find a version's artefact."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from watchtower.kinds import Kind


@dataclass(frozen=True, slots=True)
class Artefact:
    """A version's model file, its digest verified where one was recorded. Who runs it reads it through :func:`_verified.read`.

    *sha256* is the model file's digest; where tensors lie in files beside it (*external*: the name that the model gives them -> where they are), that of all
    of them together, see :func:`_verified.joined`. *size* is in bytes, of all files; *opset* by domain, empty where the file does not say.
    *metadata* are plain JSON values; core/changes.py says which keys are understood.
    """

    version: str
    path: Path
    sha256: str
    created: datetime | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    external: Mapping[str, Path] = field(default_factory=dict)
    size: int = 0
    opset: Mapping[str, int] = field(default_factory=dict)


class ModelStoreSession(Protocol):
    """An open store of models."""

    def versions(self) -> Sequence[str]:
        """The versions that are there, in natural order."""

    def created(self, version: str) -> datetime | None:
        """When *version* was made, as its metadata says; None where unknown."""

    def fetch(self, version: str) -> Artefact:
        """The verified artefact; ShadowError where it is missing or its digest differs."""


class ModelStore(Kind):
    """Frozen settings of one place where models are kept."""

    @abstractmethod
    def open(self) -> ModelStoreSession:
        """Looks at nothing yet."""
