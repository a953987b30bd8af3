"""What Prometheus scrapes: counters of what this process committed, the daemon's own state, and the scores of the last evaluations."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from watchtower.core.rules import Rule
from watchtower.edges.board_series import SCORE_FAMILIES, STATE_FAMILIES, scored, standing
from watchtower.edges.exposition import Family, Histograms, Table, number
from watchtower.edges.slots import Series, Slots
from watchtower.nouns.decision import Decision, DecisionKind
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.memory import Memory
from watchtower.nouns.plan import Plan
from watchtower.nouns.profile import LATENCY_BUCKETS, Delta, Totals
from watchtower.nouns.score import Board
from watchtower.nouns.step import Step
from watchtower.nouns.window import Partition

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = openmetrics_exposition.CONTENT_TYPE_LATEST
OTHER = "other"
_STEPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ENDS = (Step.ROLLED_BACK, Step.FAILED, Step.CANCELLED)
_SERIES_PER_VERSION = 80
"""`max_series` divided by this is how many versions keep a name in the counters: each has about 20 series, its model's `other` as many."""

_PREDICTIONS = Family("watchtower_predictions_total", "counter", "Served predictions that were committed.", ("model", "version"))
_ERRORS = Family("watchtower_prediction_errors_total", "counter", "Served predictions whose status is not ok.", ("model", "version", "status"))
_LATE = Family("watchtower_late_predictions_total", "counter", "Predictions that came after their window had closed.", ("model", "version"))
_LATENCY = Family("watchtower_prediction_latency_seconds", "histogram", "Latency of served predictions as logged.", ("model", "version"), LATENCY_BUCKETS)
_MESSAGES = Family("watchtower_messages_total", "counter", "Messages read, by outcome: accepted or rejected.", ("outcome",))
_REJECTED = Family("watchtower_messages_rejected_total", "counter", "Messages that are no prediction, by reason.", ("reason",))
_LOST = Family("watchtower_messages_lost_total", "counter", "Messages that were gone before they could be read.", ("topic", "partition"))
_LAG = Family("watchtower_source_lag", "gauge", "Messages (bytes for files) that wait to be read.", ("topic", "partition"))
_TRIALS = Family("watchtower_shadow_runs_total", "counter", "Shadow runs by verdict.", ("model", "verdict"))
_ROLLBACKS = Family(
    "watchtower_rollbacks_total", "counter", "Rollbacks that ended, by outcome: rolled_back, failed or cancelled.", ("model", "target", "outcome")
)
_DECISIONS = Family("watchtower_decisions_total", "counter", "Decisions by kind.", ("model", "decision"))
_NOTIFICATIONS = Family("watchtower_notifications_total", "counter", "Tellings by outcome.", ("notifier", "outcome"))
_OVERFLOW = Family(
    "watchtower_series_overflow_total", "counter", "Label values counted as other, and gauge series left out, because of server.max_series.", ("kind",)
)
_CHECKPOINT = Family("watchtower_checkpoint_seconds", "histogram", "How long checkpoints took.", (), _STEPS)
_SCORING = Family("watchtower_scoring_seconds", "histogram", "How long evaluations of a window took.", (), _STEPS)


class Metrics(Collector):
    """Counts, and says so to Prometheus; every method may be called from any thread.

    Counters and the latency histogram start at 0 with each process and are never dropped: beyond the bound new label values count as ``other``.
    Gauges of scores are rendered once per evaluation, at most *max_series* less what the counters take. *registry* holds the daemon's own gauges.
    """

    def __init__(self, registry: CollectorRegistry, *, max_series: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        """Begins at 0.

        Args:
            registry: a new one for each daemon; nothing global is touched.
            max_series: the bound on all series of models.
            clock: seconds of a monotonic clock (a slot of a gauge is kept for an hour).
        """
        self.registry = registry
        self._max_series, self._clock, self._lock = max_series, clock, Lock()
        self._versions_limit = max(1, max_series // _SERIES_PER_VERSION)
        counters = (_PREDICTIONS, _ERRORS, _LATE, _MESSAGES, _REJECTED, _LOST, _LAG, _TRIALS, _ROLLBACKS, _DECISIONS, _NOTIFICATIONS, _OVERFLOW)
        self._tables = {family: Table(family) for family in counters}
        self._histograms = {family: Histograms(family) for family in (_LATENCY, _CHECKPOINT, _SCORING)}
        self._models: set[str] = set()
        self._pairs: set[tuple[str, str]] = set()
        self._slots = Slots()
        self._chunks: dict[Family, dict[str, str]] = {family: {} for family in (*SCORE_FAMILIES, *STATE_FAMILIES)}
        self._series: dict[str, dict[Series, float]] = {}
        self._block: bytes | None = None
        self._own_gauges()
        for outcome in ("accepted", "rejected"):
            self._tables[_MESSAGES].add(outcome)
        for kind in ("counter", "gauge"):
            self._tables[_OVERFLOW].add(kind)
        for family in (_CHECKPOINT, _SCORING):
            self._histograms[family].add()

    def _own_gauges(self) -> None:
        ProcessCollector(registry=self.registry)
        self._outbox = Gauge("watchtower_outbox_depth", "Tellings that wait to be delivered.", registry=self.registry)
        self._reload = Gauge("watchtower_rules_last_reload_success", "1 where the rule files were read without an error the last time.", registry=self.registry)
        self._hash = Gauge("watchtower_rules_hash", "Changes when the rules do.", registry=self.registry)
        self._leader = Gauge("watchtower_leader", "1 for the replica that evaluates.", registry=self.registry)
        self._heartbeat = Gauge("watchtower_heartbeat_timestamp_seconds", "When the daemon last said that it is alive.", registry=self.registry)
        self._meters = Counter("watchtower_meter_reads_total", "Readings of meters by outcome: read or failed.", ("meter", "outcome"), registry=self.registry)
        self._ready = Gauge("watchtower_rollback_ready", "1 where a rollback could be done now.", ("model",), registry=self.registry)

    # ------------------------------------------------------------------------------------------ known from the start

    def expect(self, model: str, *, target: str = "") -> None:
        """Makes the zeros of a configured (or newly seen) model exist; *target* as :attr:`Plan.target` will say it."""
        with self._lock:
            self._model(model, target)

    def expect_notifiers(self, names: Iterable[str]) -> None:
        """Makes the zeros of the configured notifiers exist."""
        with self._lock:
            for name in names:
                for outcome in ("delivered", "failed", "dead"):
                    self._tables[_NOTIFICATIONS].add(name, outcome)

    # ------------------------------------------------------------------------------------------ counted after the commit

    def committed(self, delta: Delta) -> None:
        """Counts what a checkpoint wrote; call it once, after the commit."""
        with self._lock:
            self._tables[_MESSAGES].add("accepted", amount=delta.messages - len(delta.rejected))
            self._tables[_MESSAGES].add("rejected", amount=len(delta.rejected))
            for rejection in delta.rejected:
                self._tables[_REJECTED].add(rejection.reason.value, amount=1)
            for (model, version), totals in delta.totals.items():
                self._count(*self._pair(model, version), totals)

    def lost(self, partition: Partition, messages: int) -> None:
        """Counts messages that were gone before they could be read."""
        with self._lock:
            self._tables[_LOST].add(partition.topic, str(partition.number), amount=messages)

    def decided(self, decision: Decision) -> None:
        """Counts a committed decision."""
        with self._lock:
            self._tables[_DECISIONS].add(self._model(decision.model), decision.kind.value, amount=1)

    def judged(self, model: str, verdict: Verdict) -> None:
        """Counts a shadow run that came to a verdict."""
        with self._lock:
            self._tables[_TRIALS].add(self._model(model), verdict.value, amount=1)

    def rolled_back(self, plan: Plan) -> None:
        """Counts a plan that has ended, if it was to be carried out: rolled_back, failed or cancelled; held and dry runs do not count."""
        if plan.step in _ENDS and plan.rollback and not plan.dry_run:
            with self._lock:
                self._tables[_ROLLBACKS].add(self._model(plan.model), plan.target, plan.step.value, amount=1)

    def told(self, notifier: str, outcome: str) -> None:
        """Counts a telling: *outcome* is delivered, failed (will be tried again) or dead."""
        with self._lock:
            self._tables[_NOTIFICATIONS].add(notifier, outcome, amount=1)

    # ------------------------------------------------------------------------------------------ the daemon's own state

    def checkpoint_took(self, seconds: float) -> None:
        """Notes how long a checkpoint took."""
        with self._lock:
            self._histograms[_CHECKPOINT].observe(value=seconds)

    def scoring_took(self, seconds: float) -> None:
        """Notes how long the evaluation of one window took."""
        with self._lock:
            self._histograms[_SCORING].observe(value=seconds)

    def lagging(self, lags: Mapping[Partition, int]) -> None:
        """What waits in each assigned partition; others disappear."""
        with self._lock:
            self._tables[_LAG].replace({(each.topic, str(each.number)): float(lag) for each, lag in lags.items()})
            for each in lags:
                self._tables[_LOST].add(each.topic, str(each.number))

    def outbox(self, depth: int) -> None:
        """How many tellings wait."""
        self._outbox.set(depth)

    def meter_read(self, meter: str, outcome: str, amount: int = 1) -> None:
        """Counts a reading: *outcome* is read or failed; an *amount* of 0 makes the series exist."""
        self._meters.labels(meter, outcome).inc(amount)

    def rules(self, digest: str, *, success: bool) -> None:
        """The rules in force (*digest* is hexadecimal), and whether the last reading of the files succeeded."""
        self._hash.set(int(digest[:12] or "0", 16))
        self._reload.set(int(success))

    def heartbeat(self, now: float) -> None:
        """Alive at *now*, seconds since 1970."""
        self._heartbeat.set(now)

    def rollback_ready(self, model: str, *, ready: bool) -> None:
        """Whether a rollback of *model* could be done now."""
        with self._lock:
            name = self._model(model)
        self._ready.labels(name).set(int(ready))

    def leads(self, *, leading: bool) -> None:
        """Whether this process holds the lease; without it no scores and alerts are exported."""
        self._leader.set(int(leading))
        if not leading:
            with self._lock:
                self._slots.forget()
                self._series.clear()
                for chunks in self._chunks.values():
                    chunks.clear()
                self._block = None

    # ------------------------------------------------------------------------------------------ scores

    def evaluated(self, board: Board, memory: Memory, rules: Sequence[Rule] = ()) -> None:
        """Renders what an evaluation says of one model, once; *rules* are the model's, so that those without an alert say 0."""
        scores = scored(board)
        state = standing(board, memory, rules)
        with self._lock:
            limit = max(0, self._max_series - self._counter_series())
            admitted = self._slots.admit(board.model, scores, limit=limit, now=self._clock())
            self._tables[_OVERFLOW].add("gauge", amount=len(scores) - len(admitted))
            self._series[board.model] = admitted | state
            lines: dict[Family, list[str]] = {family: [] for family in self._chunks}
            for (family, labels), value in self._series[board.model].items():
                lines[family].append(f"{family.head(labels)}{number(value)}\n")
            for family, each in lines.items():
                self._chunks[family][board.model] = "".join(each)
            self._block = None

    # ------------------------------------------------------------------------------------------ scraped

    def text(self, *, openmetrics: bool = False) -> bytes:
        """Everything, as Prometheus (or OpenMetrics) text in UTF-8."""
        own = self._own_text(openmetrics=openmetrics)
        with self._lock:
            counted = [each.family.header(openmetrics=openmetrics) + "".join(each.lines()) for each in self._counted()]
            if self._block is None:
                self._block = "".join(family.header(openmetrics=False) + "".join(chunks.values()) for family, chunks in self._chunks.items()).encode()
            block = self._block
        return b"".join((own, "".join(counted).encode(), block, b"# EOF\n" if openmetrics else b""))

    def collect(self) -> Iterator[Metric]:
        """The series of models as prometheus_client has them; the same as in :meth:`text`, which a test proves."""
        with self._lock:
            yield from [each.metric() for each in self._counted()]
            gauges = {family: GaugeMetricFamily(family.name, family.help, labels=family.labels) for family in self._chunks}
            for series in self._series.values():
                for (family, labels), value in series.items():
                    gauges[family].add_metric(labels, value)
        yield from gauges.values()

    # ------------------------------------------------------------------------------------------ bounds

    def _expect(self, model: str, target: str) -> None:
        for verdict in Verdict:
            self._tables[_TRIALS].add(model, verdict.value)
        for kind in DecisionKind:
            self._tables[_DECISIONS].add(model, kind.value)
        for step in _ENDS:
            self._tables[_ROLLBACKS].add(model, target, step.value)

    def _model(self, model: str, target: str = "") -> str:
        """*model*, or ``other`` where too many have been seen; the first time its zeros are made."""
        if model in self._models:
            return model
        if len(self._models) < self._versions_limit:
            self._models.add(model)
            self._expect(model, target)
            return model
        self._tables[_OVERFLOW].add("counter", amount=1)
        return OTHER

    def _pair(self, model: str, version: str) -> tuple[str, str]:
        """The labels that *version* of *model* counts under."""
        if (model, version) in self._pairs:
            return model, version
        name = self._model(model)
        if name == model and len(self._pairs) < self._versions_limit:
            self._pairs.add((model, version))
            return model, version
        self._tables[_OVERFLOW].add("counter", amount=int(name == model))
        return name, OTHER

    def _count(self, model: str, version: str, totals: Totals) -> None:
        self._tables[_PREDICTIONS].add(model, version, amount=totals.predictions)
        self._tables[_LATE].add(model, version, amount=totals.late)
        self._histograms[_LATENCY].add(model, version, counts=() if totals.latency is None else totals.latency.tolist(), total=totals.latency_sum)
        errors = self._tables[_ERRORS]
        errors.add(model, version, "error")
        for status, rows in totals.errors.items():
            full = len(errors) >= self._versions_limit * 4 and (model, version, status) not in errors
            errors.add(model, version, OTHER if full else status, amount=rows)

    def _own_text(self, *, openmetrics: bool) -> bytes:
        if not openmetrics:
            return generate_latest(self.registry)
        text: bytes = openmetrics_exposition.generate_latest(self.registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        return text.removesuffix(b"# EOF\n")

    def _counted(self) -> list[Table | Histograms]:
        return [*self._tables.values(), *self._histograms.values()]

    def _counter_series(self) -> int:
        return sum(len(each) for each in self._counted())
