"""Models in a folder."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watchtower.model_stores.directory import Directory, natural
from watchtower.nouns.errors import ShadowError


def placed(folder: Path, version: str, blob: bytes, metadata: object = None) -> None:
    (folder / version).mkdir()
    (folder / version / "model.onnx").write_bytes(blob)
    if metadata is not None:
        (folder / version / "metadata.json").write_text(json.dumps(metadata))


def test_versions_stand_in_natural_order_and_current_is_none(tmp_path: Path) -> None:
    for version in ("10", "9", "2024-a"):
        placed(tmp_path, version, b"m")
    (tmp_path / "current").symlink_to("10")
    (tmp_path / "empty").mkdir()
    assert Directory(path=str(tmp_path)).open().versions() == ("9", "10", "2024-a")


def test_natural_order_counts_numbers_inside_names() -> None:
    assert sorted(["v1.10", "v1.2", "v1"], key=natural) == ["v1", "v1.2", "v1.10"]


def test_a_folder_that_is_not_there_has_no_versions(tmp_path: Path) -> None:
    assert Directory(path=str(tmp_path / "none")).open().versions() == ()


def test_an_artefact_comes_with_its_digest_and_metadata(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"model").hexdigest()
    placed(tmp_path, "7", b"model", {"sha256": digest, "created": "2026-01-02T03:04:05Z", "team": "risk"})
    session = Directory(path=str(tmp_path)).open()
    artefact = session.fetch("7")
    assert (artefact.sha256, artefact.metadata["team"]) == (digest, "risk")
    assert artefact.created == session.created("7") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_metadata_is_not_needed(tmp_path: Path) -> None:
    placed(tmp_path, "7", b"model")
    session = Directory(path=str(tmp_path)).open()
    assert session.fetch("7").created is None
    assert session.created("8") is None


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("8", "missing"),
        ("other", "not the recorded one"),
        ("broken", "cannot be read"),
        ("list", "no JSON object"),
        ("../7", "names no folder"),
        ("", "names no folder"),
    ],
)
def test_what_cannot_be_trusted_is_a_shadow_error(tmp_path: Path, version: str, says: str) -> None:
    placed(tmp_path, "other", b"model", {"sha256": "0" * 64})
    placed(tmp_path, "list", b"model", [])
    placed(tmp_path, "broken", b"model")
    (tmp_path / "broken" / "metadata.json").write_text("{")
    with pytest.raises(ShadowError, match=says):
        Directory(path=str(tmp_path)).open().fetch(version)
