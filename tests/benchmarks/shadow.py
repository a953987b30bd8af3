"""What re-running versions costs beside a bare onnxruntime loop: ``python -m tests.benchmarks.shadow [--quick] [--device auto|cpu|cuda]``.

All run in child processes of the same kind, over the same rows in the same turns, with live and candidate resident. The bare loop calls
`InferenceSession.run` on tensors that it has already; the runner's session is called in the same loop in its place; and a whole job is asked of `Bench`
through `Child.call`: with the transfer of rows and answers, the making of tensors from columns, the warm-up, and the repeats that show whether a model is
deterministic. They take turns; medians count.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.figures import CannotMeasureError, machine, median, note, say, table
from tests.benchmarks.shadow_bare import Loop
from tests.benchmarks.shadow_models import mlp, placed, resnet50, trees
from watchtower.edges.children import Child
from watchtower.edges.gpu import Gpu
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, PredictionKind, VectorColumn
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._bench import Job, Rows, turn_of
from watchtower.runners._lane import Ran
from watchtower.runners.onnx import Onnx

LIMIT = timedelta(minutes=9)
WANTED = 0.9
OUTCOME = 10.0
"""Seconds within which 2,048 rows of a ResNet-50 must be run on a GPU."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model, its rows, and how they are logged."""

    name: str
    versions: tuple[Artefact, Artefact]
    x: NDArray[np.float32]
    columns: Mapping[str, Column]
    types: Mapping[str, FeatureType]


def tabular(name: str, folder: Path, blobs: tuple[bytes, bytes], x: NDArray[np.float64]) -> Case:
    """Numbers, one feature a column."""
    names = [f"f{i}" for i in range(x.shape[1])]
    columns = {each: NumberColumn(np.ascontiguousarray(x[:, i])) for i, each in enumerate(names)}
    versions = placed(folder / name, "2", blobs[0]), placed(folder / name, "1", blobs[1])
    return Case(name, versions, x.astype(np.float32), columns, dict.fromkeys(names, FeatureType.NUMERIC))


def cases(folder: Path, *, pictures: int, rows: int) -> Sequence[Callable[[], Case]]:
    """Made when they are run: the pictures fill some memory."""

    def network() -> Case:
        return tabular("MLP, 30 features", folder, (mlp(1), mlp(2)), np.random.default_rng(1).normal(size=(rows, 30)))

    def boosted() -> Case:
        (live, x), (candidate, _) = trees(1), trees(2)
        return tabular("200 boosted trees, 30 features", folder, (live, candidate), x[np.random.default_rng(1).integers(0, len(x), rows)])

    def vision() -> Case:
        x = np.random.default_rng(1).normal(size=(pictures, 3 * 224 * 224))
        versions = placed(folder / "resnet", "2", resnet50(1)), placed(folder / "resnet", "1", resnet50(2))
        shaped = x.astype(np.float32).reshape(-1, 3, 224, 224)
        return Case("ResNet-50, 3x224x224", versions, shaped, {"X": VectorColumn(x)}, {"X": FeatureType.EMBEDDING})

    return network, boosted, vision


@dataclass(slots=True)
class Times:
    """Of each round: seconds from the question to the answer, and seconds of the processor, on both sides of the pipe."""

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


def asked_ours(child: Child, job: Job, times: Times) -> tuple[Ran, ...]:
    """One round of ours."""
    began, busy = time.perf_counter(), time.process_time()
    answer = child.call("tests.benchmarks.shadow_bare:Ours", job, time_limit=LIMIT)
    assert isinstance(answer, tuple)
    times.wall.append(time.perf_counter() - began)
    times.busy.append(time.process_time() - busy + answer[1])
    ran: tuple[Ran, ...] = answer[0]
    if any(each.failure or each.waits for each in ran):
        raise CannotMeasureError("; ".join(each.failure or each.waits for each in ran))
    return ran


def asked_bare(child: Child, loop: Loop, times: Times) -> tuple[str, float]:
    """One round of the bare loop."""
    answer = child.call("tests.benchmarks.shadow_bare:Bare", loop, time_limit=LIMIT)
    assert isinstance(answer, tuple)
    times.wall.append(answer[0])
    times.busy.append(answer[1])
    return answer[2], answer[3]


def measured(case: Case, device: str, rounds: int, runner: Onnx) -> tuple[list[str], float, Ran]:
    """A line of the table, the runner's speed over the bare loop's, and what live answered."""
    count = len(case.x)
    turn = turn_of(count)
    job = Job(runner, case.versions, Rows(case.columns, count), None, case.types, {}, PredictionSettings(kind=PredictionKind.PROBABILITY), device)
    loop = Loop(case.versions, case.x, turn, in_one_call(case, turn), device)
    through = replace(loop, runner=runner, call=turn)
    children = here, there, beside = Child(), Child(), Child()
    ours, bare, alone = Times(), Times(), Times()
    live, provider, total = Ran(""), "", 0.0
    try:
        for number in range(rounds + 1):
            if number <= 1:  # the first round loads and warms up
                ours, bare, alone = Times(), Times(), Times()
            live = asked_ours(here, job, ours)[0]
            provider, total = asked_bare(there, loop, bare)
            asked_bare(beside, through, alone)
    finally:
        for child in children:
            child.close()
    if abs(total - float(np.asarray(live.answers).sum())) > 1e-3 * count:
        msg = f"{case.name}: ours and the bare loop differ in their answers"
        raise CannotMeasureError(msg)
    where = live.provider if live.provider == provider else f"{live.provider} (bare: {provider})"
    speeds = [quartiles([2 * count / each for each in times.wall]) for times in (bare, alone, ours)]
    ratio = over(bare.wall, alone.wall)
    ratios = [f"**{ratio:.2f}**", f"{over(bare.busy, alone.busy):.2f}", f"{over(bare.wall, ours.wall):.2f}", f"{over(bare.busy, ours.busy):.2f}"]
    crowded = device == "cpu" and os.getloadavg()[0] > (os.cpu_count() or 1)  # who waits for a processor says nothing of who uses it
    if crowded:
        note(f"load {os.getloadavg()[0]:.1f}: judged by processor time")
    return [case.name, f"{count:,} in turns of {turn}", where, *speeds, *ratios], over(bare.busy, alone.busy) if crowded else ratio, live


def over(bare: list[float], ours: list[float]) -> float:
    """The median over the rounds of how much of the bare loop's speed is left."""
    return median([b / o for b, o in zip(bare, ours, strict=True)])


def in_one_call(case: Case, turn: int) -> int:
    """As many rows as the runner takes at once on the CPU, so that both run the same batches."""
    width = case.x[0].nbytes
    return int(min(turn, 2 ** int(np.log2(max(1.0, 2**23 / width)))))


def quartiles(values: list[float]) -> str:
    """Median, and what lies around it."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


def main() -> int:
    """Prints the tables; 1 where ours is under 0.9 of the bare loop."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.shadow", description="Shadow runs beside a bare onnxruntime loop.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: the GPU where there is one")
    asked = parser.parse_args()
    device = ("cuda" if gpu_name() else "cpu") if asked.device == "auto" else asked.device
    pictures = {"cuda": 2_048, "cpu": 32 if asked.quick else 96}[device]
    say(f"{machine()}; GPU: {gpu_name() or 'none'}; Python {sys.version.split()[0]}, onnxruntime {_onnxruntime()}, numpy {np.__version__}")
    met = True
    with tempfile.TemporaryDirectory(prefix="watchtower-shadow-") as folder:
        lines = []
        for make in cases(Path(folder), pictures=pictures, rows=8_192):
            case = make()
            where = "cpu" if "trees" in case.name else device  # a tree ensemble has no kernel on the GPU
            rounds = (3 if where == "cpu" else 7) if "ResNet" in case.name else 15 if asked.quick else 51
            note(f"{case.name} on {where}, {rounds} rounds")
            line, ratio, live = measured(case, where, rounds, Onnx())
            lines.append(line)
            met &= ratio >= WANTED
            if where == "cuda":
                said = ", ".join(f"{name} {value:,.4g}" for name, value in live.usage.items())
                note(f"memory {live.memory_bytes / 2**20:,.0f} MiB; {said}; {live.note or 'nothing to note'}")
                if "ResNet" in case.name:
                    met &= on_gpu(case, device)
        speed = "rows a second: median (quartiles)"
        head = ["model", "rows", "provider", f"bare loop, {speed}", "runner", "job, asked through the child"]
        say("\n" + table([*head, "runner / bare", "by processor time", "job / bare", "by processor time"], lines))
    return 0 if met else 1


def on_gpu(case: Case, device: str) -> bool:
    """What in flight, graph and half precision do, each in a fresh child; whether the first job is done within :data:`OUTCOME` of being asked."""
    lines, fresh = [], 0.0
    for name, runner in (
        ("one batch in flight", Onnx(in_flight=1)),
        ("two in flight (default)", Onnx()),
        ("CUDA graph", Onnx(cuda_graph=True)),
        ("half precision", Onnx(fp16=True)),
    ):
        began = time.perf_counter()
        child = Child()
        job = Job(runner, case.versions, Rows(case.columns, len(case.x)), None, case.types, {}, PredictionSettings(kind=PredictionKind.PROBABILITY), device)
        ran = child.call("watchtower.runners._bench:Bench", job, time_limit=LIMIT)
        first = time.perf_counter() - began
        child.close()
        assert isinstance(ran, tuple)
        fresh = first if "default" in name else fresh
        run = f"{len(case.x) / max(1e-9, float(ran[0].batch_seconds.sum())):,.0f}" if not ran[0].failure else ran[0].failure
        lines.append([name, f"{first:.2f}", run, f"{ran[0].jitter:.1e}"])
    say("\n" + table(["how", "first job in a fresh child, seconds", "rows a second while running, live", "jitter"], lines))
    return fresh <= OUTCOME


def gpu_name() -> str:
    """As NVML has it, "" where there is none."""
    try:
        gpu = Gpu()
    except Unavailable:
        return ""
    name = gpu.name
    gpu.close()
    return name


def _onnxruntime() -> str:
    for name in ("onnxruntime-gpu", "onnxruntime"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"


if __name__ == "__main__":
    sys.exit(main())
