"""Models in a folder."""

import hashlib
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.model_stores.far_stores import external
from watchtower.model_stores._verified import read
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


def test_metadata_may_record_the_files_beside_the_model(tmp_path: Path) -> None:
    files = external(tmp_path / "made")
    digest = {name: hashlib.sha256(blob).hexdigest() for name, blob in files.items()}
    placed(tmp_path, "7", files["model.onnx"], {"sha256": digest["model.onnx"], "files": {"model.onnx.data": digest["model.onnx.data"]}})
    (tmp_path / "7" / "model.onnx.data").write_bytes(files["model.onnx.data"])
    session = Directory(path=str(tmp_path)).open()
    assert session.fetch("7").external == {"model.onnx.data": tmp_path / "7" / "model.onnx.data"}
    (tmp_path / "7" / "model.onnx.data").write_bytes(files["model.onnx.data"][::-1] + b"!")
    with pytest.raises(ShadowError, match=r"not the recorded one: model\.onnx\.data has sha256"):
        session.fetch("7")


def test_metadata_may_record_the_digest_of_all_files_together(tmp_path: Path) -> None:
    files = external(tmp_path / "made")
    placed(tmp_path, "7", files["model.onnx"])
    (tmp_path / "7" / "model.onnx.data").write_bytes(files["model.onnx.data"])
    whole = Directory(path=str(tmp_path)).open().fetch("7").sha256
    (tmp_path / "7" / "metadata.json").write_text(json.dumps({"sha256": f"sha256:{whole.upper()}".replace("SHA256", "sha256")}))
    assert Directory(path=str(tmp_path)).open().fetch("7").sha256 == whole


def test_a_link_out_of_the_version_is_refused(tmp_path: Path) -> None:
    files = external(tmp_path / "made")
    placed(tmp_path, "7", files["model.onnx"])
    (tmp_path / "elsewhere").write_bytes(files["model.onnx.data"])
    (tmp_path / "7" / "model.onnx.data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ShadowError, match="no file beside it"):
        Directory(path=str(tmp_path)).open().fetch("7")


def test_tritons_layout_has_numbers_for_versions_and_may_name_the_file(tmp_path: Path) -> None:
    for version in ("1", "02", "3", "old"):
        placed(tmp_path, version, b"m")
    (tmp_path / "config.pbtxt").write_text('name: "fraud"\nbackend: "onnxruntime"\nversion_policy: { specific: { versions: [1] } }\n')
    assert Directory(path=str(tmp_path)).open().versions() == ("1", "3"), "what Triton serves now is not what may be gone back to"
    (tmp_path / "config.pbtxt").write_text('backend: "onnxruntime"\ndefault_model_filename: "net.onnx"\n')
    assert Directory(path=str(tmp_path)).open().versions() == ()
    (tmp_path / "3" / "net.onnx").write_bytes(b"net")
    session = Directory(path=str(tmp_path)).open()
    assert session.versions() == ("3",)
    assert session.fetch("3").sha256 == hashlib.sha256(b"net").hexdigest()
    assert Directory(path=str(tmp_path), file="model.onnx").open().versions() == ("1", "3"), "what the settings say goes before"


def test_triton_may_keep_a_model_and_its_tensors_in_a_folder_of_the_files_name(tmp_path: Path) -> None:
    files = external(tmp_path / "made")
    (tmp_path / "far" / "1" / "model.onnx").mkdir(parents=True)
    for name, blob in files.items():
        (tmp_path / "far" / "1" / "model.onnx" / name).write_bytes(blob)
    here = Directory(path=str(tmp_path / "far")).open()
    away = Directory.model_validate({"path": f"local://{tmp_path / 'far'}", "cache": {"path": str(tmp_path / "cache")}}).open()
    assert here.versions() == away.versions() == ("1",)
    assert here.fetch("1").sha256 == away.fetch("1").sha256
    assert read(away.fetch("1")).external == {"model.onnx.data": files["model.onnx.data"]}


def test_metadata_of_an_address_are_read_and_checked(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"model").hexdigest()
    (tmp_path / "far").mkdir()
    placed(tmp_path / "far", "7", b"model", {"sha256": digest, "created": "2026-01-02T03:04:05Z", "team": "risk"})
    placed(tmp_path / "far", "8", b"model", {"sha256": "0" * 64})
    session = Directory.model_validate({"path": f"local://{tmp_path / 'far'}", "cache": {"path": str(tmp_path / "cache")}}).open()
    assert session.fetch("7").metadata["team"] == "risk"
    assert session.created("7") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(ShadowError, match="not the recorded one"):
        session.fetch("8")


def test_an_address_is_fetched_once_and_again_when_it_changed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    placed(tmp_path / "far", "7", b"model")
    settings = Directory.model_validate({"path": f"local://{tmp_path / 'far'}", "cache": {"path": str(tmp_path / "cache")}})
    first = settings.open().fetch("7").path
    seen = first.stat().st_ino
    assert settings.open().fetch("7").path.stat().st_ino == seen
    (tmp_path / "far" / "7" / "model.onnx").write_bytes(b"other")
    assert settings.open().fetch("7").path.read_bytes() == b"other"


def test_an_artefact_that_is_larger_than_the_cache_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    placed(tmp_path / "far", "7", b"x" * 1_001)
    settings = {"path": f"local://{tmp_path / 'far'}", "cache": {"path": str(tmp_path / "cache"), "max_bytes": 1_000}}
    with pytest.raises(ShadowError, match="1,001 bytes, more than the cache may hold"):
        Directory.model_validate(settings).open().fetch("7")


@pytest.mark.parametrize(
    ("address", "says"),
    [("nonsense://x/y", "nonsense"), ("http://127.0.0.1:9/models", "cannot be read"), ("ftp://ann:s3cret@127.0.0.1:9/models", "ftp://127.0.0.1:9/models")],
)
def test_an_address_that_cannot_be_read_says_why_and_tells_no_secret(tmp_path: Path, address: str, says: str) -> None:
    session = Directory.model_validate({"path": address, "cache": {"path": str(tmp_path / "cache")}, "time_limit": "20s"}).open()
    with pytest.raises(ShadowError, match=says) as wrong:
        session.fetch("7")
    assert "s3cret" not in str(wrong.value)


def test_a_far_end_that_hangs_is_left_after_the_time_limit(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"ftp://127.0.0.1:{silent.getsockname()[1]}/models"
        session = Directory.model_validate({"path": address, "cache": {"path": str(tmp_path / "cache")}, "time_limit": "2s"}).open()
        with pytest.raises(ShadowError, match="took over 2 s and was ended"):
            session.fetch("7")


def test_a_folder_needs_no_fsspec(tmp_path: Path) -> None:
    placed(tmp_path, "7", b"model")
    look = "import sys; from watchtower.model_stores.directory import Directory; Directory(path=sys.argv[1]).open().fetch('7'); print('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
