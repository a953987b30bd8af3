"""What runs is what was verified: bytes are read once, checked, and handed on from memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watchtower.model_stores import Artefact
from watchtower.nouns.errors import ShadowError


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """A model's bytes, and those of the files beside it that hold tensors, by the name that the model gives them."""

    model: bytes
    external: Mapping[str, bytes]


def read(artefact: Artefact) -> Verified:
    """The artefact's bytes, each file read once, if together they have its digest; ShadowError else."""
    model = _read(artefact.path, artefact.version)
    external = {name: _read(path, artefact.version) for name, path in artefact.external.items()}
    found = joined(hashlib.sha256(model).hexdigest(), {name: hashlib.sha256(blob).hexdigest() for name, blob in external.items()})
    if found != artefact.sha256:
        msg = f"the artefact of version {artefact.version} changed while it was read: {artefact.path}"
        raise ShadowError(msg)
    return Verified(model, external)


def joined(model: str, external: Mapping[str, str]) -> str:
    """One SHA-256, in hex, for a model whose file has the digest *model*: that one, or, with *external* digests by name, that of these lines.

    ``<model>`` and, sorted by name, ``<digest> <name>``, each ended by a line feed.
    """
    if not external:
        return model
    lines = [model, *(f"{digest} {name}" for name, digest in sorted(external.items()))]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _read(path: Path, version: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as bad:
        msg = f"the artefact of version {version} cannot be read: {bad}"
        raise ShadowError(msg) from bad
