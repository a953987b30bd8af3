"""One version on its way through a job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.answers import read_answers
from watchtower.core.tensors import Tensor
from watchtower.nouns.batch import Floats
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners import Outputs, RunnerSession
from watchtower.runners._onnx_session import DEVICE_FAILED, OUT_OF_MEMORY

Tensors = Mapping[str, Tensor]
Answers = Floats | tuple[str | None, ...]
ROUNDING = 1e-6
"""What another order of additions may do to an answer, relative to its size where that is above 1."""
_PROBED = 16
_UNREAD = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """One version's answers; *failure* says why there are none.

    Attributes:
        batch_seconds: of each turn but the first, which warms up; the same turns for every version, reference rows first.
        deterministic, jitter: see :class:`watchtower.nouns.evidence.VersionRun`.
        alone: what failed may be another version's doing (memory, the device): a run alone, in a fresh process, tells.
        waits: the device had no room, so that nothing was run ("" if it had).
        absent, absent_reference: rows that no version was asked, since their pictures could not be had (row -> reason).
    """

    version: str
    answers: Answers = ()
    reference: Answers | None = None
    batch_seconds: Floats = field(default_factory=lambda: np.zeros(0))
    provider: str = ""
    memory_bytes: int = 0
    deterministic: bool = True
    failure: str = ""
    jitter: float = 0.0
    note: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    alone: bool = False
    waits: str = ""
    absent: Mapping[int, str] = field(default_factory=dict)
    absent_reference: Mapping[int, str] = field(default_factory=dict)
    timed_rows: int = 0
    """How many rows are behind *batch_seconds*."""


class Lane:
    """A session, and what it answered so far; what fails says why and takes no other lane along."""

    def __init__(self, version: str, settings: PredictionSettings, session: RunnerSession | None, *, failure: str = "", note: str = "") -> None:
        self._settings = settings
        self._session = session
        self._pieces: dict[bool, list[Answers]] = {True: [], False: []}
        self._seconds: list[float] = []
        self._unread: list[Outputs] = []
        self._bytes = self._timed = 0
        self._probe: tuple[Tensors, Answers] | None = None
        self._room_note = note
        self._said: tuple[str, str, int] | None = None
        self.ran = Ran(version, note=note)
        self.specs = tuple(session.inputs()) if session is not None else ()
        if failure:
            self.fail(failure)

    @property
    def runs(self) -> bool:
        """Whether it still does."""
        return self._session is not None and not self.ran.failure

    def turn(self, inputs: Tensors, *, on_reference: bool) -> None:
        """Runs one turn. The first one of a job is not timed: it warms up, and shows whether the same inputs give the same answers."""
        try:
            outputs = self._run(inputs)
            if self._probe is None:
                answers = self._read([outputs])
                self._pieces[on_reference].append(answers)
                self._begin(inputs, answers)
                return
            self._seconds.append(float(outputs.batch_seconds.sum()))
            self._timed += next((len(values) for values in inputs.values() if values.ndim), 1)
            self._unread.append(outputs)
            self._bytes += sum(array.nbytes for array in outputs.arrays.values())
            if self._bytes >= _UNREAD:
                self.read(on_reference=on_reference)
        except ShadowError as error:
            self.fail(str(error))

    def read(self, *, on_reference: bool) -> None:
        """Finds the answers among what came out since it was last done: many turns at once, which is quicker."""
        unread, self._unread, self._bytes = self._unread, [], 0
        if unread and self.runs:
            try:
                self._pieces[on_reference].append(self._read(unread))
            except ShadowError as error:
                self.fail(str(error))

    def fail(self, reason: str) -> None:
        """No answers of this version count."""
        self.ran = replace(self.ran, failure=reason, alone=OUT_OF_MEMORY in reason or DEVICE_FAILED in reason)

    def finished(self, *, with_reference: bool, usage: Mapping[str, float]) -> Ran:
        """What came of it."""
        if self.runs and self._probe is not None:
            try:
                inputs, before = self._probe
                self._compare(before, self._read([self._run(inputs)]))
            except ShadowError as error:
                self.fail(str(error))
        if self.ran.failure:
            return replace(self.ran, usage=usage)
        reference = _joined(self._pieces[True]) if with_reference else None
        return replace(
            self.ran, answers=_joined(self._pieces[False]), reference=reference, batch_seconds=np.array(self._seconds), usage=usage, timed_rows=self._timed
        )

    def _run(self, inputs: Tensors) -> Outputs:
        assert self._session is not None
        outputs = self._session.run(inputs)
        said = (outputs.provider, outputs.note, outputs.memory_bytes)
        if said != self._said:
            self._said = said
            note = "; ".join(filter(None, (self._room_note, outputs.note)))
            self.ran = replace(self.ran, provider=outputs.provider, note=note, memory_bytes=max(self.ran.memory_bytes, outputs.memory_bytes))
        return outputs

    def _read(self, many: Sequence[Outputs]) -> Answers:
        arrays = {name: np.concatenate([each.arrays[name] for each in many]) if len(many) > 1 else many[0].arrays[name] for name in many[0].arrays}
        return read_answers(arrays, many[0].columns, self._settings)

    def _begin(self, inputs: Tensors, answers: Answers) -> None:
        """Some of the first turn's rows again, twice in one batch, the second time backwards: at other places of another batch."""
        rows = max(1, len(answers) // _PROBED)
        again = {name: values if values.ndim == 0 else np.concatenate([values[:rows], values[:rows][::-1]]) for name, values in inputs.items()}
        found = self._read([self._run(again)])
        self._compare(answers[:rows], found[:rows])
        self._compare(answers[:rows], found[rows:][::-1])
        self._probe = again, found

    def _compare(self, one: Answers, other: Answers) -> None:
        gap, most = apart(one, other)
        same = self.ran.deterministic and gap <= ROUNDING * max(1.0, most)
        if gap > self.ran.jitter or same != self.ran.deterministic:
            self.ran = replace(self.ran, deterministic=same, jitter=max(self.ran.jitter, gap))


def apart(one: Answers, other: Answers) -> tuple[float, float]:
    """The largest absolute difference, and the largest size of *one*; other classes are 1 apart, a missing and a present number max(1, abs(present))."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        return float(tuple(one) != tuple(other)), 1.0
    if not len(one):
        return 0.0, 0.0
    gaps = np.abs(np.nan_to_num(one) - np.nan_to_num(other))
    gaps = np.where(np.isfinite(one) == np.isfinite(other), gaps, np.maximum(gaps, 1.0))
    return float(gaps.max()), float(np.abs(np.nan_to_num(one)).max())


def _joined(pieces: Sequence[Answers]) -> Answers:
    if pieces and isinstance(pieces[0], tuple):
        return tuple(each for piece in pieces for each in piece)
    return np.concatenate([np.asarray(piece, dtype=np.float64) for piece in pieces]) if pieces else np.zeros(0)
