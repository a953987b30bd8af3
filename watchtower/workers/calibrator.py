"""Calibrates rules whose bound is `auto`: in a child process, beside the evaluator; bounds are kept in the store with what they were made from."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from watchtower.core import budgets
from watchtower.core.calibration import HISTORY, Calibration, Request
from watchtower.core.drawing import Source
from watchtower.core.rules import Rule, RuleBook, auto
from watchtower.edges.children import Child
from watchtower.nouns.batch import Ints
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Over
from watchtower.nouns.window import EPOCH
from watchtower.store import Store
from watchtower.store.calibrations import CalibrationKey

log = logging.getLogger(__name__)
TIME_LIMIT = timedelta(minutes=10)
BOARDS = 10_000
"""Newest boards that history is taken from."""
WINDOWS = 120
"""Newest windows whose rows are drawn from."""
_EARLY = 20
"""Windows after which a calibration from fewer is made anew: the first one may have been a piece of one."""
_GROWN = 4
"""How many times the history must have grown for another look at it."""


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A calibration that is to be made: *sources* by segment, *windows* how many rows were taken from, *since* when the present binning began."""

    rule: Rule
    model: str
    binning: str
    size: timedelta
    sources: Mapping[str, Source]
    windows: int
    before: datetime
    since: datetime | None


@dataclass(slots=True)
class Calibrator:
    """*at_once*: made where it is asked for (replay), else by :meth:`step`; *keep*: written to the store. *now* dates what is made."""

    store: Store
    now: Callable[[], datetime]
    at_once: bool = False
    keep: bool = True
    _unkept: dict[CalibrationKey, Calibration] = field(default_factory=dict)
    _orders: dict[CalibrationKey, Order] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _child: Child = field(default_factory=Child)

    def bounded(self, book: RuleBook, closed: Closed) -> RuleBook:
        """*book* with the bounds that the model's rules have; what has none is ordered, and says why until then."""
        rules = [rule for rule in book.of(closed.model) if auto(rule) is not None]
        if not rules:
            return book
        bounds: dict[str, float] = {}
        lacking: dict[str, str] = {}
        for rule in rules:
            made = self._of(rule, closed, book.size)
            if made is not None and made.bound is not None:
                bounds[rule.name] = made.bound
            elif made is not None and made.reason:
                lacking[rule.name] = made.reason
        return book.bounded(bounds, lacking)

    def step(self, now: datetime) -> bool:  # noqa: ARG002  a worker's
        """Makes the calibration that waits longest."""
        with self._lock:
            key = next(iter(self._orders), None)
            order = None if key is None else self._orders[key]
        if key is None or order is None:
            return False
        self._make(key, order)
        with self._lock:
            self._orders.pop(key, None)
        return True

    def end(self) -> None:
        """Ends what is under way, from any thread; it is made after the next start."""
        self._child.kill()

    def _of(self, rule: Rule, closed: Closed, size: timedelta) -> Calibration | None:
        """The rule's calibration as it is now; one that is due is ordered, or made at once."""
        need = budgets.need_of(rule, size)
        binning = closed.binning.id if closed.binning is not None and budgets.is_drawn(need) else ""
        if budgets.is_drawn(need) and not binning:
            return Calibration(None, f"not calibrated: {closed.reason or 'no reference'}")
        key = CalibrationKey(closed.model, budgets.digest_of(rule, size), binning)
        made = self._kept(closed.model).get(key)
        if key in self._orders or not self._is_due(made, closed, drawn=bool(binning)):
            return made if made is not None or binning else Calibration(None, f"not calibrated: needs history ({HISTORY} quiet windows)")
        order = self._order(rule, closed, size, binning)
        if binning and not order.sources:
            return Calibration(None, "not calibrated: no rows yet")
        if self.at_once:
            return self._make(key, order)
        with self._lock:
            self._orders[key] = order
        return made

    def _is_due(self, made: Calibration | None, closed: Closed, *, drawn: bool) -> bool:
        """Whether there is none, or it was made before there was enough to make it from."""
        size = closed.window.end - closed.window.start
        if made is not None and (closed.window.end - EPOCH) // size % _EARLY:
            return False  # counting boards takes a moment, and there is no hurry
        boards = self.store.scores.count(closed.model)
        if made is None:
            return drawn or boards >= HISTORY
        if drawn and made.row_windows < _EARLY <= made.row_windows + boards - made.boards:
            return True
        return boards >= (max(HISTORY, _GROWN * made.boards) if made.bound is not None else made.boards + HISTORY // 4)

    def _order(self, rule: Rule, closed: Closed, size: timedelta, binning: str) -> Order:
        sources: dict[str, Source] = {}
        windows = 0
        if closed.binning is not None and binning:
            rows = self._rows(closed)
            windows = max((len(each) for each in rows.values()), default=0)
            sources = budgets.sources_of(rule, budgets.need_of(rule, size), closed.binning, closed.references, closed.live, rows)
        stored = self.store.references.ids().get(closed.model) if binning else None
        return Order(rule, closed.model, binning, size, sources, windows, closed.window.end, None if stored is None else stored[1])

    def _rows(self, closed: Closed) -> dict[str, Ints]:
        """Rows of the live version's last windows by segment, this one included."""
        past: list[Mapping[tuple[str, str], Profile]] = [each.profiles for each in self.store.windows.history(closed.model, closed.window.start, WINDOWS)]
        now = {(version, segment): profile for (version, segment, over), profile in closed.profiles.items() if over == Over()}
        return rows_of([*past, now], closed.live)

    def _kept(self, model: str) -> dict[CalibrationKey, Calibration]:
        """What the store has (somebody may have run `watchtower calibrate`), and what was not kept there."""
        return {**self._unkept, **self.store.calibrations.of(model)}

    def _make(self, key: CalibrationKey, order: Order) -> Calibration:
        try:
            made = calibrated(self.store, order, self.now(), self._child)
        except ShadowError as failed:
            log.warning("calibration_failed model=%s rule=%s reason=%s", order.model, order.rule.name, failed)
            made = Calibration(None, f"not calibrated: {failed}", boards=self.store.scores.count(order.model))
            self._unkept[key] = made
        else:
            if self.keep:
                made = keep(self.store, made)
            else:
                self._unkept[key] = made
            log.info("rule_calibrated model=%s rule=%s bound=%s expected=%.3g label=%s", made.model, made.rule, made.bound, made.expected, made.label)
        finally:
            self._child.close()
        return made


def calibrated(store: Store, order: Order, at: datetime, child: Child) -> Calibration:
    """The calibration of *order*, made in *child*; ShadowError where that failed."""
    rule = order.rule
    need, terms = budgets.need_of(rule, order.size), budgets.terms_of(rule, order.size)
    assert terms is not None
    reach = order.size * (need.over.windows + terms.hold)
    loud = [(row.incident.opened_at - reach, row.incident.closed_at or order.before) for row in store.plans.incidents() if row.incident.model == order.model]
    stretches = budgets.quiet(rule, need, store.scores.look(order.model, order.before, need, BOARDS), loud, order.since)
    request = Request(terms, order.sources, stretches, budgets.seed_of(order.model, rule.name, order.binning))
    made = child.call("watchtower.core.calibration:calibrate", request, time_limit=TIME_LIMIT)
    assert isinstance(made, Calibration)
    budget = getattr(rule.when, "false_alarms", None) or budgets.USUAL
    return replace(
        made,
        model=order.model,
        rule=rule.name,
        digest=budgets.digest_of(rule, order.size),
        binning=order.binning,
        at=at,
        times=budget.times,
        per=budget.per.total_seconds(),
        row_windows=order.windows,
        boards=store.scores.count(order.model),
    )


def keep(store: Store, made: Calibration) -> Calibration:
    """Keeps *made*, and is what holds now: a bound that there was outlives a try that found none (a long incident leaves no quiet history)."""
    old = store.calibrations.of(made.model).get(CalibrationKey(made.model, made.digest, made.binning))
    if made.bound is None and old is not None and old.bound is not None:
        made = replace(old, boards=made.boards, row_windows=made.row_windows)
    store.calibrations.save(made)
    return made


def order_for(store: Store, rule: Rule, model: str, size: timedelta) -> Order:
    """The calibration of *rule* from what the store has of *model* now."""
    need, stored = budgets.need_of(rule, size), store.references.load(model)
    memory = store.evaluations.memory(model)
    before = memory.evaluated_through or EPOCH
    if stored is None or not budgets.is_drawn(need):
        return Order(rule, model, "", size, {}, 0, before, None)
    rows = rows_of([each.profiles for each in store.windows.history(model, before, WINDOWS)], memory.served.live)
    sources = budgets.sources_of(rule, need, stored.binning, stored.profiles, memory.served.live, rows)
    return Order(rule, model, stored.binning.id, size, sources, max((len(each) for each in rows.values()), default=0), before, stored.valid_from)


def rows_of(windows: Sequence[Mapping[tuple[str, str], Profile]], live: str | None) -> dict[str, Ints]:
    """Rows of *live* in each window that has some, by segment."""
    found: dict[str, list[int]] = {}
    for profiles in windows:
        for (version, segment), profile in profiles.items():
            if version == live and profile.rows:
                found.setdefault(segment, []).append(profile.rows)
    return {segment: np.array(rows, dtype=np.int64) for segment, rows in found.items()}
