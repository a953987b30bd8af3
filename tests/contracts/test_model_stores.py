"""What every model store keeps. Their places stand in tests/model_stores/far_stores.py."""

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.model_stores.far_stores import MAKERS, FarStore, external
from tests.runners.models import logistic
from watchtower.model_stores import ModelStore
from watchtower.model_stores._verified import joined, read
from watchtower.nouns.errors import ShadowError
from watchtower.runners.onnx import Onnx

MODEL = logistic([1.0, 2.0])


@pytest.fixture(params=sorted(MAKERS))
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarStore]:
    with MAKERS[request.param](tmp_path, request) as made:
        yield made


def sha(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def test_every_store_stands_in_this_suite() -> None:
    assert set(ModelStore.kinds()) == {each.partition(",")[0] for each in MAKERS}


def test_versions_are_those_that_are_there_in_natural_order(far: FarStore) -> None:
    for _ in range(11):
        far.add({"model.onnx": MODEL})
    assert list(far.store.open().versions()) == [str(n) for n in range(1, 12)]


def test_an_artefact_is_the_bytes_that_were_put_there(far: FarStore) -> None:
    version = far.add({"model.onnx": MODEL})
    artefact = far.store.open().fetch(version)
    assert (artefact.version, artefact.sha256, artefact.size, artefact.opset) == (version, sha(MODEL), len(MODEL), {"": 17, "ai.onnx.ml": 3})
    assert read(artefact).model == MODEL
    assert far.store.open().fetch(version) == artefact, "a second look finds the same"


def test_tensors_in_a_file_of_their_own_are_part_of_the_digest_and_of_what_runs(far: FarStore, tmp_path: Path) -> None:
    files = external(tmp_path / "made", weight=0.5)
    artefact = far.store.open().fetch(far.add(files))
    assert artefact.sha256 == joined(sha(files["model.onnx"]), {"model.onnx.data": sha(files["model.onnx.data"])})
    assert artefact.size == sum(map(len, files.values()))
    assert read(artefact).external == {"model.onnx.data": files["model.onnx.data"]}
    session = Onnx().open(artefact, "cpu")
    found = session.run({"X": np.full((3, 64), 0.125, dtype=np.float32)}).arrays["probability"]
    session.close()
    assert found.ravel() == pytest.approx([1 / (1 + np.exp(-0.5 * 0.125 * 64))] * 3)


def test_a_file_that_was_changed_is_another_artefact(far: FarStore, tmp_path: Path) -> None:
    files = external(tmp_path / "made", weight=0.5)
    version = far.add(files)
    before = far.store.open().fetch(version)
    other = external(tmp_path / "other", weight=0.25)
    assert other["model.onnx"] == files["model.onnx"]
    far.change(version, "model.onnx.data", other["model.onnx.data"] + bytes(4))
    assert far.store.open().fetch(version).sha256 != before.sha256


def test_bytes_that_change_after_they_were_verified_do_not_run(far: FarStore) -> None:
    artefact = far.store.open().fetch(far.add({"model.onnx": MODEL}))
    artefact.path.write_bytes(logistic([9.0, 9.0]))
    with pytest.raises(ShadowError, match="changed while it was read"):
        read(artefact)
    with pytest.raises(ShadowError, match="changed while it was read"):
        Onnx().open(artefact, "cpu")


def test_an_artefact_travels_to_a_child(far: FarStore) -> None:
    artefact = far.store.open().fetch(far.add({"model.onnx": MODEL}))
    assert pickle.loads(pickle.dumps(artefact)) == artefact  # noqa: S301  our own


@pytest.mark.parametrize("version", ["77", "no-such-version", "", "..", "../1", "1/2", "a\0b", "-rf", "1::memory", "1?versionId=2"])
def test_a_version_that_is_not_there_is_broken_evidence(far: FarStore, version: str) -> None:
    far.add({"model.onnx": MODEL})
    with pytest.raises(ShadowError):
        far.store.open().fetch(version)
    assert far.store.open().created(version) is None


def test_a_version_of_another_kind_names_the_converter(far: FarStore) -> None:
    version = far.add({"model.pkl": b"\x80\x04"})
    with pytest.raises(ShadowError, match="skl2onnx"):
        far.store.open().fetch(version)


def test_tensors_that_lie_outside_the_version_are_refused(far: FarStore, tmp_path: Path) -> None:
    files = external(tmp_path / "made")
    away = files["model.onnx"].replace(b"model.onnx.data", b"../../../passwd")
    assert len(away) == len(files["model.onnx"])
    with pytest.raises(ShadowError, match="no file beside it"):
        far.store.open().fetch(far.add({"model.onnx": away}))


def test_tensors_that_are_missing_are_broken_evidence(far: FarStore, tmp_path: Path) -> None:
    with pytest.raises(ShadowError):
        far.store.open().fetch(far.add({"model.onnx": external(tmp_path / "made")["model.onnx"]}))
