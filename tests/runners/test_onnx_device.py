"""The GPU's path of the onnx runner over stand-ins, in a real child: onnxruntime with a GPU that is not there, the driver's library, CUDA's page locking.

What only a GPU can show is in test_onnx_cuda.py.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.runners.models import larger, logistic, mean_sine, placed
from tests.servers._require import need
from watchtower.edges.children import Child
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import FeatureType, NumberColumn
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._bench import Job, Rows
from watchtower.runners._lane import Ran
from watchtower.runners.onnx import CPU, CUDA, TENSORRT, Onnx
from watchtower.workers.running import Running

pytest.importorskip("onnxruntime")
pytest.importorskip("pynvml", reason="the extra nvml is not installed")
HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
COUNT = 150
X = np.random.default_rng(1).normal(size=(COUNT, 2))
LIMIT = timedelta(seconds=60)
Run = Callable[..., Sequence[Ran]]


def right(weights: Sequence[float]) -> np.ndarray:
    return 1 / (1 + np.exp(-(X.astype(np.float32) @ np.array(weights, dtype=np.float32)).astype(np.float64)))


def marked(blob: bytes, words: str) -> bytes:
    model = onnx.load_model_from_string(blob)
    model.doc_string = words
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or need("cc", "there is no C compiler for the stand-ins of NVIDIA's libraries")
    folder = tmp_path_factory.mktemp("nvidia")
    for source, name in ((ROOT / "tests/meters/nvml_standin.c", "libnvidia-ml.so.1"), (HERE / "standin/cudart.c", "libcudart.so.13")):
        subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / name, source], check=True)
    return folder


@pytest.fixture
def run(tmp_path: Path, libraries: Path) -> Iterator[Run]:
    """Runs versions in a child that finds the stand-ins; *mode* of onnxruntime's, *nvml* of the driver's."""
    started: list[Running] = []

    def ran(*artefacts: Artefact, device: str = "cuda", mode: str = "", nvml: str = "", runner: Onnx | None = None) -> Sequence[Ran]:
        paths = os.pathsep.join([str(HERE / "standin"), str(ROOT)])
        said = {"ORT_STANDIN": mode, "NVML_STANDIN": nvml, "ORT_STANDIN_LOG": str(tmp_path / "sessions.jsonl"), "CUDA_VISIBLE_DEVICES": "0"}
        running = Running(Child({"PYTHONPATH": paths, "LD_LIBRARY_PATH": str(libraries), **said}))
        started.append(running)
        columns = {"a": NumberColumn(X[:, 0]), "b": NumberColumn(X[:, 1])}
        types = dict.fromkeys("ab", FeatureType.NUMERIC)
        settings = PredictionSettings.model_validate({"kind": "probability"})
        return running.ran(Job(runner or Onnx(), artefacts, Rows(columns, COUNT), None, types, {}, settings, device), LIMIT)

    yield ran
    for each in started:
        each.rest()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Artefact, Artefact]:
    return placed(tmp_path, "2", logistic([0.5, 0.25])), placed(tmp_path, "1", logistic([1.0, -1.0]))


def test_both_versions_run_on_the_gpu_with_bound_and_pinned_memory_and_are_metered(run: Run, two: tuple[Artefact, Artefact], tmp_path: Path) -> None:
    live, candidate = run(*two, runner=Onnx(gpu_mem_limit=2**30))
    for ran, weights in ((live, [0.5, 0.25]), (candidate, [1.0, -1.0])):
        assert np.asarray(ran.answers) == pytest.approx(right(weights), abs=1e-6), "batches are filled up, and what fills them is cut off again"
        assert (ran.provider, ran.failure, ran.note, ran.deterministic) == (CUDA, "", "", True), "pages are locked, or the note would say why not"
        assert {"utilization_mean": 0.37, "utilization_peak": 0.37, "power_mean_watts": 412.5, "power_peak_watts": 412.5}.items() <= ran.usage.items()
        assert ran.usage["memory_peak_bytes"] == 20 * 2**30
        assert len(ran.batch_seconds) == 9, "turns of 16 rows, the first one warms up"
    (first, second) = [json.loads(line) for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert first == second
    assert (first["fallback"], first["preloaded"]) == (0, True), "else onnxruntime tries the CPU by itself"
    told = {"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested", "enable_cuda_graph": "0", "gpu_mem_limit": str(2**30)}
    assert first["providers"] == {CUDA: told, CPU: {}}


def test_two_batches_are_in_flight(run: Run, two: tuple[Artefact, Artefact], tmp_path: Path) -> None:
    (live,) = run(two[0], mode="pair", runner=Onnx(batch=8))
    assert np.asarray(live.answers) == pytest.approx(right([0.5, 0.25]), abs=1e-6), "in their order"
    assert (tmp_path / "sessions.jsonl").read_text().count('"met"') == 2 * 9, "two batches of each of nine full turns; the last one has six rows"


def test_a_quiet_fall_to_the_cpu_is_broken_where_the_gpu_was_demanded_and_said_where_it_was_not(run: Run, two: tuple[Artefact, Artefact]) -> None:
    for ran in run(*two, mode="fallback"):
        says = f"device: cuda was asked, and onnxruntime runs version {ran.version} on {CPU} in place of {CUDA}"
        assert ran.failure.startswith(says)
        assert "pip install 'watchtower-ml[shadow,cuda]'" in ran.failure
    live, _ = run(*two, mode="fallback", device="auto")
    assert (live.provider, live.failure) == (CPU, "")
    assert live.note.startswith(f"on the CPU: onnxruntime runs version 2 on {CPU} in place of {CUDA}")


def test_nodes_that_fall_to_the_cpu_are_counted(run: Run, tmp_path: Path) -> None:
    model, some = placed(tmp_path, "2", mean_sine()), "1 of 2 nodes ran on the CPU: 1 Sin"
    (ran,) = run(model, mode="cpu:Sin")
    assert ran.failure == f"device: cuda was asked, and of version 2 {some}"
    (ran,) = run(model, mode="cpu:Sin", device="auto")
    assert (ran.failure, ran.provider, ran.note) == ("", CUDA, some)
    assert np.asarray(ran.answers) == pytest.approx(np.sin(X.astype(np.float32)).mean(axis=1), abs=1e-6)
    (ran,) = run(model, mode="cpu:all", device="auto")
    assert (ran.failure, ran.provider, ran.note) == ("", CPU, "2 of 2 nodes ran on the CPU: 1 ReduceMean, 1 Sin")


def test_a_model_that_answers_in_whole_numbers_does_not_fall_to_the_cpu_unseen(run: Run, tmp_path: Path) -> None:
    model = placed(tmp_path, "2", larger())
    (ran,) = run(model, mode="cpu:all")
    assert ran.failure == "device: cuda was asked, and of version 2 all nodes (1) ran on the CPU"
    (ran,) = run(model, mode="cpu:all", device="auto")
    assert (ran.failure, ran.provider, ran.note) == ("", CPU, "all nodes (1) ran on the CPU")
    (ran,) = run(model)
    assert (ran.failure, ran.provider, np.asarray(ran.answers).tolist()) == ("", CUDA, (X[:, 1] > X[:, 0]).astype(float).tolist())


def test_who_crashes_or_is_too_large_fails_alone(run: Run, tmp_path: Path) -> None:
    good = placed(tmp_path, "1", logistic([1.0, -1.0]))
    for words, says in (("CRASHES", "signal 11"), ("TOO LARGE", "version 2 ran out of memory")):
        bad = placed(tmp_path / words, "2", marked(logistic([0.5, 0.25]), words))
        live, candidate = run(bad, good)
        assert says in live.failure
        assert (candidate.failure, candidate.provider) == ("", CUDA)
        assert np.asarray(candidate.answers) == pytest.approx(right([1.0, -1.0]), abs=1e-6)


def test_versions_for_which_there_is_room_one_at_a_time_run_one_at_a_time(run: Run, two: tuple[Artefact, Artefact]) -> None:
    for ran, weights in zip(run(*two, mode="crowded"), ([0.5, 0.25], [1.0, -1.0]), strict=True):
        assert ran.failure == ""
        assert np.asarray(ran.answers) == pytest.approx(right(weights), abs=1e-6)
        assert not len(ran.batch_seconds), "they did not run side by side, so their times are no pairs"


@pytest.mark.parametrize(("nvml", "says"), [("full", "1.00 of 80.00 GiB free"), ("busy", "busy 97% of the time > 90%")])
def test_without_headroom_a_run_waits_or_takes_the_cpu_and_says_so(run: Run, two: tuple[Artefact, Artefact], nvml: str, says: str) -> None:
    for ran in run(*two, nvml=nvml):
        assert ran.waits.startswith("headroom: GPU 0 (Stand-in)")
        assert says in ran.waits
        assert (ran.failure, len(ran.answers)) == ("", 0)
    live, _ = run(*two, nvml=nvml, device="auto")
    assert (live.provider, live.waits) == (CPU, "")
    assert live.note.startswith("on the CPU: headroom: ")
    assert [each.failure + each.waits for each in run(*two, nvml=nvml, runner=Onnx(headroom=0, max_utilization=1))] == ["", ""], "the guard is off"


def test_headroom_that_cannot_be_told_is_no_headroom(run: Run, two: tuple[Artefact, Artefact]) -> None:
    for ran in run(*two, nvml="no_driver"):
        assert ran.failure.startswith("device: cuda was asked, and the headroom of the GPU cannot be told: NVML cannot be asked about GPU 0: Driver Not Loaded")
    live, _ = run(*two, nvml="no_driver", device="auto")
    assert (live.provider, live.note) == (CPU, "on the CPU: NVML cannot be asked about GPU 0: Driver Not Loaded")


def test_a_cuda_graph_has_one_place_for_everything(run: Run, two: tuple[Artefact, Artefact]) -> None:
    live, _ = run(*two, runner=Onnx(cuda_graph=True))
    assert (live.failure, live.provider) == ("", CUDA)
    assert np.asarray(live.answers) == pytest.approx(right([0.5, 0.25]), abs=1e-6)


def test_tensorrt_runs_where_it_is_and_is_missed_where_it_is_not(run: Run, two: tuple[Artefact, Artefact], tmp_path: Path) -> None:
    (live,) = run(two[0], runner=Onnx(provider="tensorrt", fp16=True))
    assert (live.provider, live.note, live.failure) == (TENSORRT, "in half precision", "")
    assert json.loads((tmp_path / "sessions.jsonl").read_text())["providers"][TENSORRT]["trt_fp16_enable"] == "1"
    (live,) = run(two[0], mode="plain", runner=Onnx(provider="tensorrt"))
    assert (live.provider, live.note, live.failure) == (CUDA, f"none of its nodes ran on {TENSORRT}: {CUDA} ran them", "")
    (live,) = run(two[0], mode="no_tensorrt", runner=Onnx(provider="tensorrt"))
    assert live.failure.endswith(f"in place of {TENSORRT} (TensorRT's libraries are needed: pip install tensorrt)")


def test_half_precision_is_near_and_said(run: Run, tmp_path: Path) -> None:
    (live,) = run(placed(tmp_path, "3", logistic([0.1, 0.3])), runner=Onnx(fp16=True))
    assert (live.provider, live.note, live.failure) == (CUDA, "in half precision", "")
    assert 1e-6 < np.abs(np.asarray(live.answers) - right([0.1, 0.3])).max() < 2e-3
