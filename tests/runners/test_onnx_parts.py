"""Parts of the runner by themselves: where nodes ran, what differs between two runs, how rows are cut into turns, what was metered."""

import json
from pathlib import Path

import numpy as np
import pytest

from watchtower.core.headroom import DeviceState
from watchtower.runners._bench import turn_of
from watchtower.runners._lane import apart
from watchtower.runners._onnx_nodes import Placement, placement
from watchtower.runners._onnx_session import DEVICE_FAILED, OUT_OF_MEMORY, trouble
from watchtower.runners._sampling import summed_up

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def node(name: str, operator: str, provider: str, **outputs: list[int]) -> dict[str, object]:
    args = {"op_name": operator, "provider": provider, "output_type_shape": [{kind: shape} for kind, shape in outputs.items()]}
    return {"cat": "Node", "name": f"{name}_kernel_time", "args": args}


def test_shapes_and_copies_on_the_cpu_are_no_fallback(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    events: list[object] = [
        {"cat": "Session", "name": "model_run", "args": {}},
        node("c", "Conv", CUDA, float=[8, 4]),
        node("c", "Conv", CUDA, float=[8, 4]),
        node("s", "Shape", CPU, int64=[4]),
        node("t", "Trees", CPU, float=[8, 1]),
        node("u", "Trees", CPU, float=[8, 1]),
        node("n", "TopK", CPU, int64=[300]),
        node("m", "MemcpyToHost", CUDA, float=[8, 1]),
    ]
    path.write_text(json.dumps(events))
    found = placement(path)
    assert found == Placement({CUDA: 1, CPU: 4}, {"Trees": 2, "TopK": 1})
    assert found.words() == "3 of 5 nodes ran on the CPU: 2 Trees, 1 TopK"
    assert not found.all_fallen
    path.write_text("{}")
    with pytest.raises(ValueError, match="no profile"):
        placement(path)
    path.write_text(json.dumps(events[:1]))
    with pytest.raises(ValueError, match="tells of no node"):
        placement(path)


def test_a_model_of_few_whole_numbers_is_no_arithmetic_of_shapes() -> None:
    alone = Placement({CPU: 2}, {})
    assert (alone.all_fallen, alone.words(), alone.main(CUDA)) == (True, "all nodes (2) ran on the CPU", CPU)
    beside = Placement({CPU: 5, CUDA: 1}, {})
    assert (beside.all_fallen, beside.words(), beside.main(CUDA), beside.main("Tensorrt")) == (False, "", CUDA, CUDA)


@pytest.mark.parametrize(("rows", "turn"), [(1, 16), (512, 16), (513, 32), (2_048, 64), (8_192, 256), (10_000_000, 65_536)])
def test_there_are_16_to_32_turns(rows: int, turn: int) -> None:
    assert turn_of(rows) == turn


def test_what_differs_between_two_runs_is_measured() -> None:
    nan = float("nan")
    assert apart(np.array([0.5, 2.0, nan]), np.array([0.25, 2.0, nan])) == (0.25, 2.0)
    assert apart(np.array([nan, 1.0]), np.array([0.5, 1.0]))[0] == 1.0, "a missing answer beside a small one"
    assert apart(np.array([nan]), np.array([7.0]))[0] == 7.0
    assert apart(("a", None), ("a", None))[0] == 0.0
    assert apart(("a", "b"), ("a", "c"))[0] == 1.0
    assert apart(np.zeros(0), np.zeros(0)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("Failed to allocate memory for requested buffer of size 4096", OUT_OF_MEMORY),
        ("Available memory of 5 is smaller than requested bytes of 10", OUT_OF_MEMORY),
        ("CUDA failure 2: out of memory ; GPU=0", OUT_OF_MEMORY),
        ("CUDA failure 700: an illegal memory access was encountered ; GPU=0", DEVICE_FAILED),
        ("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED", DEVICE_FAILED),
        ("Got invalid dimensions for input: X", ""),
    ],
)
def test_what_may_be_another_versions_doing_is_told_apart(said: str, how: str) -> None:
    assert trouble(RuntimeError(said)) == how
    assert trouble(MemoryError()) == OUT_OF_MEMORY


def test_readings_become_means_and_peaks_of_what_was_told() -> None:
    states = [DeviceState("x", 100, 40, 0.2, None), DeviceState("x", 100, 10, 0.6, None)]
    assert summed_up(states) == {"samples": 2, "memory_peak_bytes": 90, "utilization_mean": 0.4, "utilization_peak": 0.6}
    assert summed_up([]) == {}
