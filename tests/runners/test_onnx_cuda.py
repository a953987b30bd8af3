"""What only a GPU can show: ``pytest -q tests/runners/test_onnx_cuda.py`` on a machine with one. Elsewhere all of it is skipped, and says why."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.shadow_models import mlp, resnet50, trees
from tests.runners.models import placed
from watchtower.edges.gpu import Gpu
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import Column, FeatureType, Floats, NumberColumn, VectorColumn
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._bench import Job, Rows
from watchtower.runners._lane import Ran
from watchtower.runners.onnx import CPU, CUDA, TENSORRT, Onnx
from watchtower.workers.running import Running

pytest.importorskip("onnxruntime")
LIMIT = timedelta(minutes=3)
SETTINGS = PredictionSettings.model_validate({"kind": "probability"})
MIB = 2**20


def _why_not() -> str:
    try:
        gpu = Gpu()
    except Unavailable as away:
        return str(away)
    gpu.close()
    return ""


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=f"there is no GPU to run on: {_why_not()}")


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.end()


def on(running: Running, x: Floats, *artefacts: Artefact, device: str = "cuda", runner: Onnx | None = None, whole: bool = False) -> list[Ran]:
    """*x* through *artefacts*: a feature a column, or all in one."""
    names = ["X"] if whole else [f"f{i}" for i in range(x.shape[1])]
    columns: Mapping[str, Column] = {"X": VectorColumn(x)} if whole else {name: NumberColumn(np.ascontiguousarray(x[:, i])) for i, name in enumerate(names)}
    kind = FeatureType.EMBEDDING if whole else FeatureType.NUMERIC
    job = Job(runner or Onnx(), artefacts, Rows(columns, len(x)), None, dict.fromkeys(names, kind), {}, SETTINGS, device)
    return list(running.ran(job, LIMIT))


def held() -> int:
    gpu = Gpu()
    state = gpu.state()
    gpu.close()
    return state.total_bytes - state.free_bytes


def test_the_gpu_answers_as_the_cpu_does_and_is_metered_and_gives_its_memory_back(tmp_path: Path, running: Running) -> None:
    two = placed(tmp_path, "2", mlp(1)), placed(tmp_path, "1", mlp(2))
    x = np.random.default_rng(1).normal(size=(5_000, 30))
    before = held()
    for gpu, cpu in zip(on(running, x, *two), on(running, x, *two, device="cpu"), strict=True):
        assert (gpu.failure, gpu.provider, gpu.note) == ("", CUDA, ""), "the host's buffers are pinned, or the note would say why not"
        assert (cpu.failure, cpu.provider) == ("", CPU)
        assert np.abs(np.asarray(gpu.answers) - np.asarray(cpu.answers)).max() < 1e-5
        assert (gpu.deterministic, gpu.usage["samples"] >= 1, gpu.usage["memory_peak_bytes"] > before) == (True, True, True)
    assert held() - before < 64 * MIB, "the child that held the device has ended"


@pytest.mark.parametrize("settings", [{"in_flight": 1}, {"in_flight": 3}, {"cuda_graph": True}, {"batch": 16}], ids=str)
def test_every_way_of_running_gives_the_same_answers(tmp_path: Path, running: Running, settings: dict[str, object]) -> None:
    model = placed(tmp_path, "1", mlp(1))
    x = np.random.default_rng(1).normal(size=(1_000, 30))
    (plain,), (other,) = on(running, x, model), on(running, x, model, runner=Onnx.model_validate(settings))
    assert (other.failure, other.provider) == ("", CUDA)
    assert np.abs(np.asarray(plain.answers) - np.asarray(other.answers)).max() < 1e-5


def test_pictures_in_half_precision_are_near(tmp_path: Path, running: Running) -> None:
    model = placed(tmp_path, "1", resnet50(1))
    x = np.random.default_rng(1).normal(size=(64, 3 * 224 * 224))
    (full,), (half,) = on(running, x, model, whole=True), on(running, x, model, whole=True, runner=Onnx(fp16=True))
    assert (full.failure, half.failure, half.provider, half.note.startswith("in half precision")) == ("", "", CUDA, True)
    assert np.abs(np.asarray(full.answers) - np.asarray(half.answers)).max() < 1e-2


def test_trees_have_no_kernel_there_and_that_is_no_secret(tmp_path: Path, running: Running) -> None:
    pytest.importorskip("sklearn")
    blob, x = trees(1)
    model = placed(tmp_path, "1", blob)
    (demanded,) = on(running, x, model)
    assert demanded.failure.startswith("device: cuda was asked, and of version 1 ")
    assert "nodes ran on the CPU: 1 TreeEnsembleRegressor" in demanded.failure
    (taken,) = on(running, x, model, device="auto")
    assert taken.failure == ""
    assert "TreeEnsembleRegressor" in taken.note


def test_a_version_that_is_given_too_little_memory_fails_alone(tmp_path: Path, running: Running) -> None:
    small, large = placed(tmp_path, "1", mlp(1)), placed(tmp_path, "2", resnet50(1))
    (ran,) = on(running, np.zeros((32, 3 * 224 * 224)), large, whole=True, runner=Onnx(gpu_mem_limit=32 * MIB))
    assert "version 2 ran out of memory" in ran.failure or "does not load" in ran.failure
    (ran,) = on(running, np.zeros((200, 30)), small)
    assert (ran.failure, ran.provider) == ("", CUDA), "the next child finds the device as it was"


def test_without_headroom_nothing_is_loaded(tmp_path: Path, running: Running) -> None:
    (ran,) = on(running, np.zeros((200, 30)), placed(tmp_path, "1", mlp(1)), runner=Onnx(headroom=2**50))
    assert ran.waits.startswith("headroom: GPU 0 (")


def test_tensorrt_runs_or_says_what_it_misses(tmp_path: Path, running: Running) -> None:
    (ran,) = on(running, np.zeros((200, 30)), placed(tmp_path, "1", mlp(1)), runner=Onnx(provider="tensorrt"))
    assert ran.provider == TENSORRT or "TensorRT" in ran.failure
