"""The bare onnxruntime loop that shadow runs are measured against; runs in a child."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from watchtower.edges.children import SILENT
from watchtower.model_stores import Artefact
from watchtower.runners._bench import Bench
from watchtower.runners._lane import Ran
from watchtower.runners.onnx import CPU, CUDA, Onnx, OnnxSession

Tensor = NDArray[np.generic]


class Session(Protocol):
    """What the loop calls."""

    def run(self, outputs: None, feed: dict[str, Tensor]) -> Sequence[Tensor]: ...
    def get_providers(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """What the loop is asked: models, inputs, rows in a turn, rows in a call; *runner*: through the runner, where not by onnxruntime itself."""

    versions: tuple[Artefact, ...]
    x: NDArray[np.float32]
    turn: int
    call: int
    device: str
    runner: Onnx | None = None


@dataclass(slots=True)
class Bare:
    """The bare loop, in a child."""

    _sessions: dict[str, Session] = field(default_factory=dict)

    def __call__(self, loop: object) -> tuple[float, float, str, float]:
        """Seconds for all rows of all versions, those of the processor, the provider, and the sum of the first version's answers."""
        assert isinstance(loop, Loop)
        for artefact in loop.versions:
            if artefact.version not in self._sessions:
                opened = _bare(artefact, loop.device) if loop.runner is None else Through(loop.runner.open(artefact, loop.device))
                self._sessions[artefact.version] = opened
        sessions = [self._sessions[each.version] for each in loop.versions]
        for session in sessions:
            session.run(None, {"X": loop.x[: loop.turn]})
        answers: dict[int, list[Tensor]] = {i: [] for i in range(len(sessions))}
        began, busy = time.perf_counter(), time.process_time()
        for number, start in enumerate(range(0, len(loop.x), loop.turn)):
            for i in range(len(sessions)):
                which = (i + number) % len(sessions)
                for at in range(start, min(start + loop.turn, len(loop.x)), loop.call):
                    answers[which].append(sessions[which].run(None, {"X": loop.x[at : min(at + loop.call, start + loop.turn)]})[0])
        took, worked = time.perf_counter() - began, time.process_time() - busy
        return took, worked, sessions[0].get_providers()[0], float(np.concatenate(answers[0]).sum())


@dataclass(slots=True)
class Through:
    """The runner's session, called as onnxruntime's."""

    session: OnnxSession

    def run(self, outputs: None, feed: dict[str, Tensor]) -> Sequence[Tensor]:
        """Every output."""
        del outputs
        return list(self.session.run(feed).arrays.values())

    def get_providers(self) -> Sequence[str]:
        """Where it ran."""
        return [self.session.provider]


class Ours:
    """The bench of trials, and how much of the processor it took since the last call: reading what it is given, and writing what it gave, included."""

    def __init__(self) -> None:
        self._bench, self._busy = Bench(), time.process_time()

    def __call__(self, job: object) -> tuple[tuple[Ran, ...], float]:
        ran, before = self._bench(job), self._busy
        self._busy = time.process_time()
        return ran, self._busy - before


def _bare(artefact: Artefact, device: str) -> Session:
    """The options are the runner's own, so that the loop differs in nothing else."""
    os.environ.update(SILENT)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device == "cuda":
        onnxruntime.preload_dlls()
    providers = [(CUDA, {"use_tf32": "0"}), CPU] if device == "cuda" else [CPU]
    return cast("Session", onnxruntime.InferenceSession(artefact.path.read_bytes(), options, providers=providers))
