"""Slow scores: rows compared in a child process, versions run again on the reference rows, within a time that a window can wait."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from zlib import crc32

import numpy as np

from watchtower.core.importance import ndcg
from watchtower.core.keeping import Keys
from watchtower.core.naming import WEIGHTED, analysis_of, is_analysis, is_slow
from watchtower.core.slicing import column_at, joined, sliced
from watchtower.core.trialling import ALL, row_hash
from watchtower.edges.children import Child
from watchtower.nouns.analysis import Calibration
from watchtower.nouns.batch import Ints, PredictionBatch, PredictionKind
from watchtower.nouns.errors import ConfigError, Fenced, ShadowError, Unavailable
from watchtower.nouns.score import Analysed, Closed, Need, Over, Scores
from watchtower.nouns.window import micros
from watchtower.store import Store, StoredReference
from watchtower.workers._allowance import Allowance
from watchtower.workers._analysis_child import Compared, Comparison, Side
from watchtower.workers.rerunning import Importance, Reruns
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
_CHILD = "watchtower.workers._analysis_child:compare"
_RETRY = 60
_STOPS = "the daemon stops: the window is scored by the next one"
_VERSIONS = 3
_NDCG_ROWS = 500
WAITS, REPLAY_WAITS = timedelta(seconds=10), timedelta(seconds=120)
"""How long a window waits for its slow scores: in a daemon other models' windows wait behind it."""
Key = tuple[str, ...]


@dataclass(slots=True)
class Analyst:
    """Finds what the slow scores of a closed window need; used by the evaluator's thread.

    Rows are compared in one warm child. What needs models runs on one thread beside, in a child of its own: what is worth keeping (calibrations, importances,
    the reference's rows) goes on where a window did not wait for it, and serves the next one.

    Attributes:
        allowance: how long windows may wait.
    """

    store: Store
    rows: RowReader
    reruns: Reruns
    size: timedelta
    allowance: Allowance = field(default_factory=lambda: Allowance(WAITS))
    _child: Child = field(default_factory=Child)
    _beside: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "analysis"))
    _waiting: dict[Key, Future[object]] = field(default_factory=dict)
    _known: dict[Key, object] = field(default_factory=dict)
    _failed: dict[Key, tuple[str, int]] = field(default_factory=dict)
    _over: bool = False

    def analysed(self, closed: Closed, needs: frozenset[Need], stored: StoredReference | None) -> Closed:
        """*closed* with what its slow scores need; at once where none is asked for. Fenced after :meth:`end`: the next daemon scores this window."""
        slow = frozenset(need for need in needs if is_slow(need.measure))
        if not slow:
            return closed
        if stored is None or closed.live is None or closed.binning is None:
            return replace(closed, analysed=Analysed(reason=closed.reason or "no rows"))
        sitting = _Sitting(self, closed, stored, closed.live, self.allowance.begin(closed.window.end))
        try:
            found = sitting.held(slow)
        except (RuntimeError, CancelledError) as ended:
            if not self._over:
                raise
            raise Fenced(_STOPS) from ended  # the thread beside takes nothing more on
        finally:
            self.allowance.finish()
        if self._over:
            raise Fenced(_STOPS)
        return replace(closed, analysed=found)

    def rest(self) -> None:
        """Ends children and thread; nothing is analysed any more."""
        self.end()
        self._beside.shutdown(wait=True)
        self._child.close()
        self.reruns.close()

    def end(self) -> None:
        """The daemon stops: what is under way, in any thread, comes to nothing."""
        self._over = True
        self._beside.shutdown(wait=False, cancel_futures=True)
        self.reruns.kill()
        self._child.kill()

    # -------------------------------------------------------------------------------------------- for a sitting

    def soon(self, key: Key, make: Callable[[], object], deadline: float) -> object:
        """What *make* makes on the thread beside, once and for all; a reason (str) where it fails (tried again after 60 windows) or is late."""
        if key in self._known:
            return self._known[key]
        reason, left = self._failed.get(key, ("", 0))
        if left:
            self._failed[key] = (reason, left - 1)
            return reason
        future = self._waiting.get(key) or self._beside.submit(make)
        self._waiting[key] = future
        try:
            found = future.result(max(0.0, deadline - monotonic()))
        except Late:
            return self.allowance.late
        except (ShadowError, ConfigError, Unavailable) as error:
            found = str(error)
        del self._waiting[key]
        if isinstance(found, str):
            log.warning("analysis_failed what=%s reason=%s", "/".join(key), found)
            self._failed[key] = (found, _RETRY)
            return found
        self._known = {**dict(list(self._known.items())[-32:]), key: found}
        return found

    def once(self, make: Callable[[], object], deadline: float) -> object:
        """What *make* makes on the thread beside, or the reason why it does not, in time."""
        future = self._beside.submit(make)
        try:
            return future.result(max(0.0, deadline - monotonic()))
        except Late:
            future.cancel()
            return self.allowance.late
        except (ShadowError, ConfigError, Unavailable) as error:
            return str(error)

    def compared(self, comparison: Comparison, deadline: float) -> Scores:
        """What the child says, as scores."""
        left = deadline - monotonic()
        if left <= 0:
            return Scores.none(("",), self.allowance.late)
        try:
            found = self._child.call(_CHILD, comparison, time_limit=timedelta(seconds=left))
        except ShadowError as error:
            reason = self.allowance.late if monotonic() >= deadline else f"analysis failed: {error}"
            log.warning("analysis_failed what=%s reason=%s", comparison.measure, error)
            return Scores.none(("",), reason)
        assert isinstance(found, tuple)
        return _as_scores(found)


@dataclass(slots=True)
class _Sitting:
    """One closed window while it is being analysed."""

    analyst: Analyst
    closed: Closed
    stored: StoredReference
    live: str
    deadline: float
    _samples: dict[Over, PredictionBatch | str] = field(default_factory=dict)

    def held(self, needs: frozenset[Need]) -> Analysed:
        """Everything that *needs* ask for, as far as there is time; what is quick to find comes first."""
        wants_weights = any(need.measure == WEIGHTED for need in needs) and not self.closed.settings.importance
        ranked = [need for need in needs if need.measure.family == "importance"]
        calibrated = any(need.measure.family == "estimated" for need in needs) and self.closed.settings.prediction.kind is PredictionKind.PROBABILITY
        calibrations = {version: self._calibration(version) for version in self._versions()} if calibrated else {}
        importances = {self.live: self._importance()} if wants_weights or ranked else {}
        scores = {(need, self.live, ""): self._scores(need, needs) for need in sorted(needs, key=repr) if is_analysis(need.measure)}
        scores |= {(need, self.live, ""): self._ranking(need, importances[self.live]) for need in sorted(ranked, key=repr)}
        weights = {version: found if isinstance(found, str) else found.weights for version, found in importances.items()}
        return Analysed(scores, weights, calibrations, "only the live version's whole is analysed")

    def _versions(self) -> list[str]:
        whole = (key for key, each in self.closed.profiles.items() if key[1:] == ("", Over()) and each.rows)
        return [self.live, *sorted(version for version, _, _ in whole if version not in ("", self.live))][:_VERSIONS]

    def _calibration(self, version: str) -> Calibration | str:
        reruns, key = self.analyst.reruns, (self.closed.model, version, self.stored.binning.id, "calibration")
        found = self.analyst.soon(key, lambda: reruns.calibration(self.closed.model, version, self.stored), self.deadline)
        assert isinstance(found, Calibration | str)
        return found if isinstance(found, Calibration) or "calibrated" in found else f"version not calibrated: {found}"

    def _importance(self) -> Importance | str:
        reruns, key = self.analyst.reruns, (self.closed.model, self.live, self.stored.binning.id, "importance")
        found = self.analyst.soon(key, lambda: reruns.importance(self.closed.model, self.live, self.stored), self.deadline)
        assert isinstance(found, Importance | str)
        return found if isinstance(found, Importance) else f"no importance: {found}"

    # -------------------------------------------------------------------------------------------- rows compared

    def _scores(self, need: Need, needs: frozenset[Need]) -> Scores:
        analysis = analysis_of(need.measure)
        current = self._sample(need.over, _most(needs))
        if isinstance(current, str):
            return Scores.none(("",), current)
        reference = self._reference(_most(needs))
        if isinstance(reference, str):
            return Scores.none(("",), reference)
        mine = _smallest(_hashes(current), analysis.rows)
        comparison = Comparison(
            measure=need.measure,
            binning=self.stored.binning,
            reference=_cut(reference, analysis.rows),
            current=Side({name: column_at(column, mine) for name, column in current.features.items()}, len(mine)),
            min_rows=analysis.min_rows if need.min_rows is None else need.min_rows,
            seed=_seed(self.closed),
        )
        return self.analyst.compared(comparison, self.deadline)

    def _reference(self, most: int) -> Side | str:
        reruns, key = self.analyst.reruns, (self.closed.model, self.live, self.stored.binning.id, "rows", str(most))
        found = self.analyst.soon(key, lambda: reruns.sample(self.closed.model, self.live, self.stored, most), self.deadline)
        assert isinstance(found, Side | str)
        return found

    def _sample(self, over: Over, most: int) -> PredictionBatch | str:
        """The window's rows of the live version whose position hash is under a threshold, in position order; or why there are none."""
        if over not in self._samples:
            self._samples[over] = self._read(over, most)
        return self._samples[over]

    def _read(self, over: Over, most: int) -> PredictionBatch | str:
        closed, profile = self.closed, self.closed.profiles.get((self.live, "", over))
        if profile is None or not profile.rows:
            return "no rows"
        start = closed.window.end - max(1, closed.spans.get(("", over), over.windows)) * self.analyst.size
        threshold = np.uint64(min(ALL, int(ALL * min(1.0, 1.5 * most / profile.rows))))
        schema = self.analyst.reruns.schema(closed.model, self.stored)
        found: list[PredictionBatch] = []
        try:
            for batch in self.analyst.rows.pieces(closed.model, profile.spans, start, closed.window.end, schema):
                if monotonic() >= self.deadline:
                    return self.analyst.allowance.late
                names = batch.versions.names
                mine = batch.versions.codes == (names.index(self.live) if self.live in names else -1)
                found.append(sliced(batch, np.flatnonzero(mine & (_hashes(batch) <= threshold))))
        except Unavailable as away:
            log.warning("analysis_rows_unread model=%s window=%s reason=%s", closed.model, closed.window.end, away)
            found.clear()
        rows = joined([batch for batch in found if len(batch)]) if any(len(batch) for batch in found) else None
        return "inputs expired" if rows is None else sliced(rows, _smallest(_hashes(rows), most))

    # -------------------------------------------------------------------------------------------- rankings

    def _ranking(self, need: Need, reference: Importance | str) -> Scores:
        if isinstance(reference, str):
            return Scores.none(("",), reference)
        current = self._sample(need.over, _NDCG_ROWS)
        if isinstance(current, str):
            return Scores.none(("",), current)
        mine = sliced(current, _smallest(_hashes(current), _NDCG_ROWS))
        least = 200 if need.min_rows is None else need.min_rows
        if len(mine) < least:
            return Scores.none(("",), f"{len(mine):,} of {least:,} rows", [len(mine)])
        left = timedelta(seconds=max(0.01, self.deadline - monotonic()))
        reruns, side, seed = self.analyst.reruns, Side(mine.features, len(mine)), _seed(self.closed)
        now = self.analyst.once(lambda: reruns.change(self.closed.model, self.live, self.stored, side, seed, left), self.deadline)
        if not isinstance(now, Mapping):
            return Scores.none(("",), self.analyst.allowance.late if monotonic() >= self.deadline else str(now), [len(mine)])
        return Scores.of(("",), [(ndcg(reference.change, now), len(mine))])


def _hashes(batch: PredictionBatch) -> Keys:
    numbers = np.array([partition.number for partition in batch.partitions], dtype=np.int32)[batch.partition]
    return row_hash(numbers, batch.positions, batch.ordinals)


def _smallest(hashes: Keys, most: int) -> Ints:
    """The rows with the *most* smallest hashes, in their order."""
    return np.arange(len(hashes)) if len(hashes) <= most else np.sort(np.argsort(hashes, kind="stable")[:most])


def _cut(side: Side, most: int) -> Side:
    """As :meth:`Reruns.sample` cuts, further."""
    if side.count <= most:
        return side
    rows = _smallest(row_hash(0, np.arange(side.count), np.zeros(side.count, dtype=np.int32)), most)
    return Side({name: column_at(column, rows) for name, column in side.columns.items()}, most)


def _most(needs: frozenset[Need]) -> int:
    return max(analysis_of(need.measure).rows for need in needs if is_analysis(need.measure))


def _seed(closed: Closed) -> int:
    return crc32(f"{closed.model} {micros(closed.window.end)}".encode())


def _as_scores(found: tuple[Compared, ...]) -> Scores:
    return Scores(
        subjects=tuple(each.subject for each in found),
        values=np.array([each.value for each in found]),
        p_values=np.array([each.p_value for each in found]),
        n=np.array([each.n for each in found], dtype=np.int64),
        reasons=tuple(each.reason for each in found),
    )
