"""A model's files on this machine become an artefact: what belongs to it, and its digest."""

import hashlib
import mmap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from watchtower.core.onnx_header import OnnxHeader, read_header
from watchtower.model_stores import Artefact
from watchtower.model_stores._verified import joined
from watchtower.nouns.errors import ShadowError

_NO_HEADER = OnnxHeader({}, "", ())


def artefact_at(path: Path, version: str, metadata: Mapping[str, object], created: datetime | None) -> Artefact:
    """The artefact whose model file is *path*; ShadowError where it is missing, unreadable, or not the one that the metadata recorded.

    The metadata may record `sha256` (of the model file, or of all files joined) and `files: {name: sha256}`.
    """
    header = header_of(path, version)
    external = {name: beside(path, name, version) for name in header.external}
    digests = {name: digest_of(each, version) for name, each in external.items()}
    model = digest_of(path, version)
    whole = joined(model, digests)
    _check(metadata, version, path, {whole, model}, digests)
    size = path.stat().st_size + sum(each.stat().st_size for each in external.values())
    return Artefact(version, path, whole, created, metadata, external, size, header.opset)


def header_of(path: Path, version: str) -> OnnxHeader:
    """What the file says of itself; nothing where it is no ONNX file: the runner says then that it does not load."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return _NO_HEADER
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
                return read_header(view) or _NO_HEADER
    except OSError as bad:
        raise _unread(path, version, bad) from bad


def digest_of(path: Path, version: str) -> str:
    """SHA-256 in hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as bad:
        raise _unread(path, version, bad) from bad


def beside(path: Path, name: str, version: str) -> Path:
    """Where the tensors lie that a model at *path* says are in *name*; ShadowError where that leads out of its folder."""
    check_name(name, version)
    found = path.parent / name
    if not found.resolve().is_relative_to(path.parent.resolve()):
        raise _outside(name, version)
    return found


def check_name(name: str, version: str) -> None:
    """ShadowError where *name* is no plain relative path."""
    pure = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or pure.is_absolute() or ".." in pure.parts:
        raise _outside(name, version)


def moment_of(value: object) -> datetime | None:
    """A moment as metadata write it (ISO 8601; UTC where no zone is said); None where it is none."""
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _check(metadata: Mapping[str, object], version: str, path: Path, either: set[str], digests: Mapping[str, str]) -> None:
    recorded = metadata.get("sha256")
    if recorded is not None and _plain(recorded) not in either:
        found = min(either)[:12]
        msg = f"the artefact of version {version} is not the recorded one: {path} has sha256 {found}…, metadata.json says {str(recorded)[:12]}…"
        raise ShadowError(msg)
    files = metadata.get("files")
    for name, said in files.items() if isinstance(files, dict) else ():
        if name in digests and _plain(said) != digests[name]:
            msg = f"the artefact of version {version} is not the recorded one: {name} has sha256 {digests[name][:12]}…, metadata.json says {str(said)[:12]}…"
            raise ShadowError(msg)


def _plain(digest: object) -> str:
    return str(digest).lower().removeprefix("sha256:")


def _outside(name: str, version: str) -> ShadowError:
    return ShadowError(f"the artefact of version {version} says that tensors lie in {name!r}, which is no file beside it")


def _unread(path: Path, version: str, bad: OSError) -> ShadowError:
    if isinstance(bad, FileNotFoundError):
        return ShadowError(f"version {version} has no artefact: {path} is missing")
    return ShadowError(f"the artefact of version {version} cannot be read: {bad}")
