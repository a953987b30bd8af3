"""The child's side of a trial: runs versions on the same rows, turn by turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.inputs import Feed, InputSpec, feed
from watchtower.core.pictures import Pictures, Pixels
from watchtower.core.slicing import column_at
from watchtower.core.tensors import Tensor
from watchtower.model_stores import Artefact
from watchtower.nouns.batch import Column, FeatureType
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.inputs import InputSettings
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners import Room, Runner, RunnerSession
from watchtower.runners._lane import Answers, Lane, Ran
from watchtower.runners._onnx_nodes import CPU
from watchtower.runners._pictures import read
from watchtower.runners._sampling import Sampler

__all__ = ["Answers", "Bench", "Job", "Ran", "Rows"]
TURNS = 32
"""About so many turns has each version, so that their times can be compared in pairs."""
_LEAST, _MOST = 16, 65536
_FED_BYTES = 2**26
_KEPT = 6


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Inputs as columns of *count* rows; *pictures* by input, where some are taken, once they were read."""

    columns: Mapping[str, Column]
    count: int
    pictures: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Versions to run, live first, on the trial's rows and, where given, on the reference rows."""

    runner: Runner
    artefacts: tuple[Artefact, ...]
    rows: Rows
    reference: Rows | None
    types: Mapping[str, FeatureType]
    inputs: Mapping[str, InputSettings]
    prediction: PredictionSettings
    device: str


class Bench:
    """Runs jobs and keeps the newest few models warm between them."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str, str], RunnerSession] = {}

    def __call__(self, job: object) -> tuple[Ran, ...]:
        """Each version's answers, in the job's order; a version that fails says why and takes none along."""
        assert isinstance(job, Job)
        try:
            room = job.runner.room([each for each in job.artefacts if _key(each, job.device) not in self._sessions], job.device)
        except ShadowError as error:
            return tuple(Ran(each.version, failure=str(error)) for each in job.artefacts)
        if room.waits:
            return tuple(Ran(each.version, waits=room.waits) for each in job.artefacts)
        try:
            rows, absent = pictured(job.rows, job.inputs)
            reference, lacking = pictured(job.reference or Rows({}, 0), job.inputs)
        except ShadowError as error:
            return tuple(Ran(each.version, failure=str(error)) for each in job.artefacts)
        ran = self._raced(replace(job, rows=rows, reference=reference if job.reference is not None else None), room)
        return tuple(replace(each, absent=absent, absent_reference=lacking) for each in ran) if absent or lacking else ran

    def _raced(self, job: Job, room: Room) -> tuple[Ran, ...]:
        lanes = [self._lane(job, artefact, room) for artefact in job.artefacts]
        sampler = Sampler()
        try:
            if job.reference is not None:
                _race(job, lanes, job.reference, sampler, on_reference=True)
            _race(job, lanes, job.rows, sampler, on_reference=False)
        finally:
            sampler.stop()
        return tuple(lane.finished(with_reference=job.reference is not None, usage=sampler.usage(lane.ran.version)) for lane in lanes)

    def close(self) -> None:
        """Gives all of their memory back."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def _lane(self, job: Job, artefact: Artefact, room: Room) -> Lane:
        key = _key(artefact, room.device)
        try:
            session = self._sessions.pop(key, None) or job.runner.open(artefact, room.device)
        except ShadowError as error:
            return Lane(artefact.version, job.prediction, None, failure=str(error), note=room.note)
        self._sessions[key] = session
        for old in list(self._sessions)[: -max(_KEPT, len(job.artefacts))]:
            self._sessions.pop(old).close()
        return Lane(artefact.version, job.prediction, session, note=room.note)


def pictured(rows: Rows, inputs: Mapping[str, InputSettings]) -> tuple[Rows, Mapping[int, str]]:
    """*rows* with the pictures that *inputs* take, without those whose pictures could not be had, and why (row -> reason)."""
    wanted = {name: own.image for name, own in inputs.items() if own.image is not None}
    if not wanted or not rows.count:
        return rows, {}
    shown = {name: read(rows.columns.get(image.feature), image, rows.count) for name, image in wanted.items()}
    absent = {row: f"{wanted[name].feature}: {reason}" for name, each in shown.items() for row, reason in each.missing.items()}
    there = np.array([row for row in range(rows.count) if row not in absent], dtype=np.int64)
    pictures = {name: each.pixels if len(each.rows) == len(there) else each.pixels[np.isin(each.rows, there)] for name, each in shown.items()}
    return Rows({name: column_at(column, there) for name, column in rows.columns.items()}, len(there), pictures), absent


def turn_of(rows: int) -> int:
    """How many rows a version runs before another has its turn: a power of two, so that there are 16 to 32 turns; at least 16 rows."""
    return min(_MOST, max(_LEAST, 1 << max(0, -(-rows // TURNS) - 1).bit_length()))


def _key(artefact: Artefact, device: str) -> tuple[str, str, str]:
    return artefact.version, artefact.sha256, device


def _race(job: Job, lanes: Sequence[Lane], rows: Rows, sampler: Sampler, *, on_reference: bool) -> None:
    """Every version runs every turn; versions whose models want the same share what they are fed, which is made some turns ahead, within 64 MiB."""
    size = turn_of(rows.count)
    start, ahead = 0, 1
    while start < rows.count:
        stop = min(rows.count, start + ahead * size)
        columns = {name: column_at(column, slice(start, stop)) for name, column in rows.columns.items()}
        feeds = _fed(job, lanes, Rows(columns, stop - start, {name: pixels[start:stop] for name, pixels in rows.pictures.items()}))
        for first in range(start, stop, size):
            _turn(lanes, feeds, slice(first - start, min(first + size, stop) - start), sampler, number=first // size, on_reference=on_reference)
        if start == 0 and any(lane.runs and lane.ran.provider != CPU for lane in lanes):
            sampler.start(job.runner.meter())
        width = max((_bytes(each) for each in feeds.values()), default=0) / (stop - start)
        start, ahead = stop, max(1, int(_FED_BYTES / max(1.0, width) / size))
    for lane in lanes:
        lane.read(on_reference=on_reference)


def _turn(lanes: Sequence[Lane], feeds: Mapping[tuple[InputSpec, ...], Feed], rows: slice, sampler: Sampler, *, number: int, on_reference: bool) -> None:  # noqa: PLR0913  one step
    """Every turn another version goes first, so that a warm cache favours none."""
    pieces: dict[tuple[InputSpec, ...], dict[str, Tensor]] = {}
    first = number % len(lanes)
    for lane in (*lanes[first:], *lanes[:first]):
        if lane.runs:
            if lane.specs not in pieces:
                pieces[lane.specs] = {name: _rows_of(values, rows) for name, values in feeds[lane.specs].items()}
            sampler.whose = lane.ran.version
            lane.turn(pieces[lane.specs], on_reference=on_reference)


def _fed(job: Job, lanes: Sequence[Lane], rows: Rows) -> dict[tuple[InputSpec, ...], Feed]:
    feeds: dict[tuple[InputSpec, ...], Feed] = {}
    for lane in lanes:
        if lane.runs and lane.specs not in feeds:
            try:
                feeds[lane.specs] = feed(lane.specs, rows.columns, job.types, job.inputs, rows.count, rows.pictures)
            except ShadowError as error:
                lane.fail(str(error))
    return feeds


def _rows_of(values: Tensor | Pictures, rows: slice) -> Tensor:
    """A tensor without rows is for all of them."""
    return values[rows] if isinstance(values, Pictures) or values.ndim else values


def _bytes(fed: Feed) -> int:
    """Of what is in memory already: pictures are made turn by turn."""
    return sum(values.nbytes for values in fed.values() if isinstance(values, np.ndarray))
