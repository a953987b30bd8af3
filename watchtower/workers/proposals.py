"""Looks whether a model has outgrown its cells, and says so once; new cells are a person's decision (`watchtower reference`)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchtower.core.proposing import Outgrown, outgrown
from watchtower.store import Store
from watchtower.workers.troubles import Troubles

log = logging.getLogger(__name__)
DAY = timedelta(days=1)
NAMED = 5
"""Features that a telling names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What `status` lists as proposals, and *troubles* tells once for each binning."""

    store: Store
    troubles: Troubles

    def look(self, now: datetime) -> None:
        """Every model's last day of evaluated windows, held against its binning; a model that was watched for less than a day proposes nothing."""
        before = self.store.references.proposals()
        found = {model: each for model in self.store.references.ids() if (each := self._of(model))}
        self.store.references.propose(found, now)
        for model, (binning, features) in found.items():
            if before.get(model, {}).get("binning") != binning:
                what = sentence(model, features)
                log.warning("binning_outgrown model=%s features=%s", model, ",".join(each.feature for each in features))
                self.troubles.said(what, now)

    def _of(self, model: str) -> tuple[str, Sequence[Outgrown]] | None:
        stored = self.store.references.load(model)
        through = self.store.evaluations.memory(model).evaluated_through
        if stored is None or through is None:
            return None
        first, day = self.store.references.day_of(model, stored.binning.id, through - DAY)
        if day is None or first is None or first - (through - DAY) > DAY / 24:
            return None
        features = outgrown(stored.binning, day)
        return (stored.binning.id, features) if features else None


def sentence(model: str, features: Sequence[Outgrown]) -> str:
    """What is told."""
    named = ", ".join(f"{each.feature} ({each.share:.0%} {each.where})" for each in features[:NAMED])
    more = f" and {len(features) - NAMED} more" if len(features) > NAMED else ""
    return f"{model} has outgrown its reference's cells for a day: {named}{more}; `watchtower reference {model} --from-windows A..B` makes new ones"
