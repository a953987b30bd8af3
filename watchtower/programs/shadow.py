"""What `watchtower shadow` does: evidence and verdict by hand, over what the store remembers; it acts on nothing and keeps nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from watchtower.assembly.shared import build_references, build_trials
from watchtower.config.reader import Loaded
from watchtower.core.keeping import Kept
from watchtower.core.trialling import LOOKS, threshold
from watchtower.edges.clock import Clock
from watchtower.nouns.alert import Alert, AlertState
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.evidence import Judgement
from watchtower.nouns.memory import Memory
from watchtower.nouns.place import Place
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.nouns.window import micros
from watchtower.store import Store
from watchtower.store.plain import moment_of
from watchtower.workers.trials import Terms, TrialRoom

_AT_ONCE = 60
"""Windows that are in memory at once."""
_TOGETHER = 1_024
"""About so many rows are run before progress is told."""
Told = Callable[[int, int], None]
"""Rows that were run, of how many."""


def _silent(_done: int, _of: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: *live* "" is the version that the store knows as live; *device*, *since* and *rows* None are as the settings say."""

    model: str
    candidate: str
    live: str = ""
    device: str | None = None
    since: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shadowed:
    """The judgement on *candidate* beside *live*; *windows* were looked at."""

    model: str
    live: str
    candidate: str
    judgement: Judgement
    windows: int

    def plain(self) -> dict[str, object]:
        """For ``--json``."""
        found = self.judgement.evidence
        providers = found.get("providers")
        ran = providers if isinstance(providers, dict) else {}
        return {
            "model": self.model,
            "live": self.live,
            "candidate": self.candidate,
            "verdict": str(self.judgement.verdict),
            "diagnosis": str(self.judgement.diagnosis),
            "reason": self.judgement.reason,
            "rows": found.get("rows", 0),
            "providers": {"live": ran.get(self.live, ""), "candidate": ran.get(self.candidate, "")},
            "evidence": {**found, "rows_needed": self.judgement.rows_needed},
        }


@dataclass(slots=True)
class Shadow:
    """One question, over *store*, which may be open for reading only while a daemon writes it."""

    loaded: Loaded
    store: Store
    asked: Asked
    clock: Clock = field(default_factory=Clock)

    def run(self, told: Told = _silent) -> Shadowed:
        """Runs both versions on the rows that live served, and judges. ConfigError where the question cannot be asked; Unavailable where it cannot be read."""
        memory = self.store.evaluations.memory(self.asked.model)
        through = memory.evaluated_through
        if through is None:
            self._refuse(f"nothing of {self.asked.model!r} was evaluated yet", "start `watchtower run`, and ask for a model that `watchtower status` lists")
        live = self.asked.live or memory.served.live
        if live is None:
            self._refuse(f"it is not known which version of {self.asked.model!r} is live", "say it with --live")
        if live == self.asked.candidate:
            self._refuse(f"version {live} is live: it cannot be compared with itself", "say another one with --candidate")
        room = self._room()
        try:
            return self._judged(room, memory, live, through, told)
        finally:
            room.rest()

    def _judged(self, room: TrialRoom, memory: Memory, live: str, through: datetime, told: Told) -> Shadowed:
        wanted = self.asked.rows or room.terms(self.asked.model).rows
        found = self._windows(live, through, wanted)
        if not found:
            self._refuse(f"no stored window has rows of version {live}", "`watchtower windows` lists what there is; --live and --since choose")
        begin, total = found[-1][0], sum(rows for _, _, rows in found)
        expected = min(wanted, total)
        plan = self._plan(memory, live, begin)
        kept = Kept(plan.id, micros(begin), threshold(wanted, total / LOOKS), wanted)
        told(0, expected)
        for end in _pauses(found, through):
            last = end >= through
            kept, judgement = room.weigh(plan, kept, end, "there are no further rows" if last else "")
            told(min(kept.rows, expected), expected)
        return Shadowed(self.asked.model, live, self.asked.candidate, judgement, len(found))

    def _windows(self, live: str, through: datetime, wanted: int) -> list[tuple[datetime, datetime, int]]:
        """(start, end, rows) of stored windows in which *live* had rows, newest first: since what was asked, else back until there are *wanted* rows."""
        since = self._since(through)
        found: list[tuple[datetime, datetime, int]] = []
        end = through
        while some := self.store.windows.history(self.asked.model, end, _AT_ONCE):
            for each in reversed(some):
                enough = since is None and sum(rows for _, _, rows in found) >= wanted
                if enough or (since is not None and each.window.start < since):
                    return found
                profile = each.profiles.get((live, ""))
                if profile is not None and profile.rows:
                    found.append((each.window.start, each.window.end, profile.rows))
            end = some[0].window.start
        return found

    def _since(self, through: datetime) -> datetime | None:
        try:
            return moment_of(self.asked.since, through)
        except ValueError as wrong:
            raise ConfigError([Problem(Place("--since"), f"{self.asked.since!r} is no time and no duration", "write 1d, or 2026-11-20T10:00Z")]) from wrong

    def _plan(self, memory: Memory, live: str, begin: datetime) -> Plan:
        """A plan that is never kept.

        While alerts fire on what serves now, only rows after they began are paired with labels: those before are selected for its bad luck.
        """
        firing = [alert for alert in memory.alerts if alert.state is AlertState.FIRING and live == memory.served.live]
        since = min((alert.fired_at for alert in firing if alert.fired_at is not None), default=begin)
        return Plan("shadow", self.asked.model, "shadow", Step.ON_TRIAL, live, (self.asked.candidate,), max(since, begin), fired=self._fired(firing))

    def _fired(self, firing: list[Alert]) -> tuple[tuple[str, str], ...]:
        rules = {rule.name: rule for rule in self.loaded.book.of(self.asked.model)}
        known = [alert for alert in firing if alert.id.rule in rules]
        every = {name: [str(need.measure) for need in rule.needs(self.loaded.book.size)] for name, rule in rules.items()}
        return tuple(dict.fromkeys((alert.id.rule, measure) for alert in known for measure in alert.measures or every[alert.id.rule]))

    def _room(self) -> TrialRoom:
        settings = self.loaded.settings
        room = build_trials(settings, self.store, build_references(settings, self.store, settings.sources, lenient=True))
        terms = room.terms
        room.terms = lambda model: self._terms(terms(model))
        if any(each.model == self.asked.model and each.labels for each in self.store.labels.waiting()):
            room.labels_of = self.store.labels.labels_of
        return room

    def _terms(self, terms: Terms) -> Terms:
        return replace(terms, rows=self.asked.rows or terms.rows, device=self.asked.device or terms.device)

    def _refuse(self, what: str, advice: str) -> NoReturn:
        raise ConfigError([Problem(Place(str(self.loaded.path)), what, advice)])


def _pauses(found: list[tuple[datetime, datetime, int]], through: datetime) -> Iterator[datetime]:
    """Ends of windows, oldest first, about every thousand rows; the last one is *through*."""
    rows = 0
    for _, end, count in found[:0:-1]:
        rows += count
        if rows >= _TOGETHER:
            rows = 0
            yield end
    yield through
