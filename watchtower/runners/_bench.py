"""The child's side of a trial: runs versions on the same rows, batch by batch, in turn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from watchtower.core.answers import read_answers
from watchtower.core.inputs import Feed, feed
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import Column, FeatureType, Floats
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners import Outputs, Runner, RunnerSession

BATCH = 256
_KEPT = 6
Answers = Floats | tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Inputs as columns of *count* rows."""

    columns: Mapping[str, Column]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Versions to run, live first, on the trial's rows and, where given, on the reference rows."""

    runner: Runner
    artefacts: tuple[Artefact, ...]
    rows: Rows
    reference: Rows | None
    types: Mapping[str, FeatureType]
    inputs: Mapping[str, tuple[str, ...]]
    prediction: PredictionSettings
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """One version's answers; *failure* says why there are none. *batch_seconds* are of the same batches for every version, reference rows first."""

    version: str
    answers: Answers = ()
    reference: Answers | None = None
    batch_seconds: Floats = field(default_factory=lambda: np.zeros(0))
    provider: str = ""
    memory_bytes: int = 0
    deterministic: bool = True
    failure: str = ""


class Bench:
    """Runs jobs and keeps the newest few models warm between them."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str, str], RunnerSession] = {}

    def __call__(self, job: object) -> tuple[Ran, ...]:
        """Each version's answers, in the job's order; a version that fails says why and takes none along."""
        assert isinstance(job, Job)
        lanes = [self._lane(job, artefact) for artefact in job.artefacts]
        if job.reference is not None:
            _race(lanes, job.reference, on_reference=True)
        _race(lanes, job.rows, on_reference=False)
        return tuple(lane.finished() for lane in lanes)

    def _lane(self, job: Job, artefact: Artefact) -> "_Lane":
        key = (artefact.version, artefact.sha256, job.device)
        try:
            session = self._sessions.pop(key, None) or job.runner.open(artefact, job.device)
        except ShadowError as error:
            return _Lane(artefact.version, job, None, str(error))
        self._sessions[key] = session
        for old in list(self._sessions)[: -max(_KEPT, len(job.artefacts))]:
            self._sessions.pop(old).close()
        return _Lane(artefact.version, job, session)


class _Lane:
    """One version on its way through a job."""

    def __init__(self, version: str, job: Job, session: RunnerSession | None, failure: str = "") -> None:
        self._job = job
        self._session = session
        self._pieces: dict[bool, list[Answers]] = {True: [], False: []}
        self._seconds: list[float] = []
        self._feed: Feed = {}
        self._ran = Ran(version, failure=failure)

    def prepare(self, rows: Rows) -> None:
        """Fills the inputs and runs the first batch twice, unmeasured: to warm up, and to see whether the same inputs give the same answers."""
        with _Caught(self):
            if self._session is not None and not self._ran.failure and rows.count:
                self._feed = feed(self._session.inputs(), rows.columns, self._job.types, self._job.inputs, rows.count)
                first, second = (self._session.run(_slice(self._feed, 0)) for _ in range(2))
                same = self._ran.deterministic and _same(first, second)
                self._ran = replace(self._ran, provider=first.provider, memory_bytes=first.memory_bytes, deterministic=same)

    def run(self, start: int, *, on_reference: bool) -> None:
        """Runs the batch that begins at *start*."""
        with _Caught(self):
            if self._session is not None and not self._ran.failure:
                outputs = self._session.run(_slice(self._feed, start))
                self._seconds.append(float(outputs.batch_seconds.sum()))
                self._pieces[on_reference].append(read_answers(outputs.arrays, outputs.columns, self._job.prediction))

    def fail(self, reason: str) -> None:
        """No answers of this version count."""
        self._ran = replace(self._ran, failure=reason)

    def finished(self) -> Ran:
        """What came of it."""
        if self._ran.failure:
            return self._ran
        reference = _joined(self._pieces[True]) if self._job.reference is not None else None
        return replace(self._ran, answers=_joined(self._pieces[False]), reference=reference, batch_seconds=np.array(self._seconds))


class _Caught:
    """Turns a ShadowError inside into the lane's failure."""

    def __init__(self, lane: _Lane) -> None:
        self._lane = lane

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """A version that does not run fails alone."""
        if not isinstance(error, ShadowError):
            return False
        self._lane.fail(str(error))
        return True


def _race(lanes: Sequence[_Lane], rows: Rows, *, on_reference: bool) -> None:
    for lane in lanes:
        lane.prepare(rows)
    for number, start in enumerate(range(0, rows.count, BATCH)):
        for lane in _in_turn(lanes, number):
            lane.run(start, on_reference=on_reference)


def _in_turn(lanes: Sequence[_Lane], number: int) -> Iterator[_Lane]:
    """Every batch another version goes first, so that a warm cache favours none."""
    first = number % len(lanes)
    yield from (*lanes[first:], *lanes[:first])


def _slice(inputs: Feed, start: int) -> dict[str, NDArray[np.generic]]:
    return {name: values[start : start + BATCH] for name, values in inputs.items()}


def _same(first: Outputs, second: Outputs) -> bool:
    return all(np.array_equal(array, second.arrays[name], equal_nan=array.dtype.kind == "f") for name, array in first.arrays.items())


def _joined(pieces: Sequence[Answers]) -> Answers:
    if pieces and isinstance(pieces[0], tuple):
        return tuple(each for piece in pieces for each in piece)
    return np.concatenate([np.asarray(piece, dtype=np.float64) for piece in pieces]) if pieces else np.zeros(0)
