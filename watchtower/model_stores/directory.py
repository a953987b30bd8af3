"""Models in a folder: ``<path>/<version>/model.onnx``, beside it perhaps ``metadata.json``."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from watchtower.model_stores import Artefact, ModelStore
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.written import PathText

_DIGITS = re.compile(r"(\d+)")


class Directory(ModelStore):
    """Versions are folders; `metadata.json` may hold `sha256`, `created` and anything else, which is shown."""

    path: PathText
    """The folder that holds a folder per version (relative to the settings file)."""
    file: str = "model.onnx"
    """The model's file in a version's folder."""

    def open(self) -> "DirectorySession":
        """Looks at nothing yet."""
        return DirectorySession(Path(self.path), self.file)


@dataclass(frozen=True, slots=True)
class DirectorySession:
    """An open folder of models."""

    path: Path
    file: str

    def versions(self) -> Sequence[str]:
        """Every folder that holds the model's file, in natural order (9 before 10)."""
        if not self.path.is_dir():
            return ()
        found = [each.name for each in self.path.iterdir() if not each.is_symlink() and (each / self.file).is_file()]
        return tuple(sorted(found, key=natural))

    def created(self, version: str) -> datetime | None:
        """`created` of the metadata; None where there is none, or where it is no time."""
        try:
            return _created(self._metadata(version))
        except ShadowError:
            return None

    def fetch(self, version: str) -> Artefact:
        """The artefact with its digest; ShadowError where it is missing, unreadable, or not the one that the metadata recorded."""
        at = self._folder(version) / self.file
        metadata = self._metadata(version)
        try:
            with at.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as missing:
            msg = f"version {version} has no artefact: {at} is missing"
            raise ShadowError(msg) from missing
        except OSError as bad:
            msg = f"the artefact of version {version} cannot be read: {bad}"
            raise ShadowError(msg) from bad
        recorded = metadata.get("sha256")
        if recorded is not None and str(recorded).lower().removeprefix("sha256:") != digest:
            msg = f"the artefact of version {version} is not the recorded one: {at} has sha256 {digest[:12]}…, metadata.json says {str(recorded)[:12]}…"
            raise ShadowError(msg)
        return Artefact(version, at, digest, _created(metadata), metadata)

    def _folder(self, version: str) -> Path:
        if not version or version in {".", ".."} or "/" in version or "\\" in version or "\0" in version:
            msg = f"version {version!r} names no folder of {self.path}"
            raise ShadowError(msg)
        return self.path / version

    def _metadata(self, version: str) -> Mapping[str, object]:
        at = self._folder(version) / "metadata.json"
        try:
            found = json.loads(at.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as bad:
            msg = f"the metadata of version {version} cannot be read: {at}: {bad}"
            raise ShadowError(msg) from bad
        if not isinstance(found, dict):
            msg = f"the metadata of version {version} is no JSON object: {at}"
            raise ShadowError(msg)
        return found


def natural(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which numbers inside names count as numbers: 9 before 10, 1.2 before 1.10."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(version) if part)


def _created(metadata: Mapping[str, object]) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(metadata.get("created")))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
