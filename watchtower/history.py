"""What the store remembers, as pandas DataFrames: scores, windows, alerts and evidence.

    from watchtower import history

    with history.opened("watchtower.yaml") as past:
        drift = past.scores("fraud", measure="drift.psi", since="7d")
    whole = drift[(drift.segment == "") & (drift.over == "1 window") & (drift.relative_to == "reference")]
    whole.pivot_table(index="time", columns="subject", values="value").plot()

Reading waits for no writer, so it may be done beside a running daemon. The same rows without pandas are in :mod:`watchtower.store.plain`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

try:
    import pandas as pd
except ImportError as missing:
    advice = "watchtower.history needs pandas: pip install 'watchtower-ml[history]'"
    raise ImportError(advice) from missing

from watchtower.config.reader import store_url
from watchtower.edges.clock import Clock
from watchtower.store import Store
from watchtower.store.history import Stretch
from watchtower.store.plain import Moment, Row, alert_rows, evidence_rows, moment_of, score_rows, window_rows

_SCORES = (
    "time",
    "model",
    "version",
    "segment",
    "measure",
    "over",
    "relative_to",
    "subject",
    "value",
    "p_value",
    "n",
    "low",
    "high",
    "excess",
    "note",
    "reason",
)
_LATENCY = ("latency_mean", "latency_p50", "latency_p99")
_WINDOWS = ("start", "end", "model", "version", "segment", "live", "rows", "weight", "errors", *_LATENCY, "binning")
_ALERT = ("time", "rule", "model", "version", "segment", "subject", "state", "severity")
_ALERTS = (*_ALERT, "value", "p_value", "p_adjusted", "reason", "attribution")
_EVIDENCE = ("time", "model", "incident", "plan", "verdict", "diagnosis", "candidate", "reason", "evidence")


@dataclass(frozen=True, slots=True)
class History:
    """Looks back into one store. *model* None is all models; *since* is exclusive and *until* inclusive, both of window ends in UTC."""

    store: Store
    now: datetime

    def scores(self, model: str | None = None, *, measure: str = "*", since: Moment | None = None, until: Moment | None = None) -> pd.DataFrame:
        """A row a score; *measure* is a glob (``drift.*``). Where *value* is missing *reason* says why."""
        return _frame(score_rows(self.store.history, self._stretch(model, since, until), measure), _SCORES)

    def windows(self, model: str | None = None, *, since: Moment | None = None, until: Moment | None = None) -> pd.DataFrame:
        """A row for each (version, segment) of each window in which something came; latencies in seconds."""
        return _frame(window_rows(self.store.history, self._stretch(model, since, until)), _WINDOWS)

    def alerts(self, model: str | None = None, *, since: Moment | None = None, until: Moment | None = None) -> pd.DataFrame:
        """A row a transition of an alert, with what moved (a mapping) where it began to fire."""
        return _frame(alert_rows(self.store.history, self._stretch(model, since, until)), _ALERTS)

    def evidence(self, model: str | None = None, *, since: Moment | None = None, until: Moment | None = None) -> pd.DataFrame:
        """A row a verdict, its evidence as a mapping."""
        return _frame(evidence_rows(self.store.history, self._stretch(model, since, until)), _EVIDENCE)

    def _stretch(self, model: str | None, since: Moment | None, until: Moment | None) -> Stretch:
        return Stretch(model, moment_of(since, self.now), moment_of(until, self.now))


@contextmanager
def opened(where: str | Path, now: datetime | None = None) -> Iterator[History]:
    """The history behind *where*, a settings file or a store's address (``sqlite:///watchtower.db``), read only.

    Raises:
        Unavailable: there is no store yet.
        ConfigError: the settings file is wrong.
    """
    clock = Clock()
    url = str(where) if "://" in str(where) else store_url(Path(where))
    store = Store.open(url, read_only=True, now=clock.now)
    try:
        yield History(store, now or clock.now())
    finally:
        store.close()


def _frame(rows: Iterable[Row], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame.from_records([dict(row) for row in rows], columns=list(columns))
    for name in ("time", "start", "end"):
        if name in columns:
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame
