"""Attributes alerts that begin to fire: what moved, from the closed window, and which rows are beyond the reference, from the rows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from watchtower.core import attributing
from watchtower.core.rules import RuleBook
from watchtower.nouns.alert import Alert, AlertId
from watchtower.nouns.attribution import Attribution, Outside
from watchtower.nouns.batch import Schema
from watchtower.nouns.binning import PREDICTION
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.score import Closed, Need, Over
from watchtower.workers.rows import RowReader

log = logging.getLogger(__name__)
MOST_ROWS = 100_000
"""A window with more is not read again while its evaluation waits."""
Weights = Callable[[str, str], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Attributor:
    """*weights* gives the importances of (model, version), empty where they are not known; *schema* how a model's rows are decoded."""

    rows: RowReader
    schema: Callable[[str], Schema]
    weights: Weights = field(default=lambda _model, _version: {})

    def attribute(self, evaluation: Evaluation, closed: Closed, book: RuleBook) -> Evaluation:
        """*evaluation* with what moved on each alert that just began to fire and is about values."""
        rules = {rule.name: rule for rule in book.of(closed.model)}
        found: dict[AlertId, Attribution] = {}
        beyond: dict[tuple[str, str], Outside | None] = {}
        distances = attributing.Distances(closed)
        for alert in attributing.newly_firing(evaluation):
            needs = list(rules[alert.id.rule].needs(book.size)) if alert.id.rule in rules else []
            if not any(need.measure.family in attributing.FAMILIES for need in needs):
                continue
            weights = self.weights(closed.model, alert.version)
            moved = attributing.attribution(distances, alert.version, alert.id.segment, needs[0].over, _subject(alert, needs), weights)
            if not moved.reason:
                moved = replace(moved, outside=self._outside(closed, alert, beyond))
            found[alert.id] = moved
        return attributing.attributed(evaluation, found)

    def _outside(self, closed: Closed, alert: Alert, known: dict[tuple[str, str], Outside | None]) -> Outside | None:
        """Of the base window's rows of the alert's version; read once an evaluation."""
        key = (alert.version, "")
        if key not in known:
            known[key] = self._read(closed, alert.version)
        return known[key]

    def _read(self, closed: Closed, version: str) -> Outside | None:
        profile = closed.profiles.get((version, "", Over()))
        if profile is None or closed.binning is None or not 0 < profile.rows <= MOST_ROWS:
            return None
        try:
            batch = self.rows.read(closed.model, profile.spans, closed.window.start, closed.window.end, self.schema(closed.model))
        except Unavailable as away:
            log.info("rows_not_attributed model=%s window=%s reason=%s", closed.model, closed.window.end, away)
            return None
        return None if batch is None else attributing.outside(closed.binning, attributing.of_version(batch, version))


def _subject(alert: Alert, needs: Sequence[Need]) -> str | None:
    """What the alert is about: its feature, the prediction where its rule reads that, None where it is about all of them."""
    return alert.id.subject or (PREDICTION if needs[0].measure.family == "prediction" else None)
