"""Watchtower's own troubles: told once when one begins, and once when it is over, as incidents of a model called watchtower."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchtower.core.incidents import noted
from watchtower.nouns.incident import Incident, IncidentState
from watchtower.store import Store

OURSELVES = "watchtower"
MOST = 1000
"""Characters of what is wrong."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """One trouble at a time: that the rules cannot be read. *notifiers* hear of it."""

    store: Store
    notifiers: Sequence[str]

    def began(self, what: str, now: datetime) -> None:
        """Tells, unless it was told already and is not over."""
        if self._open() is None:
            incident = Incident(f"{OURSELVES}-{now:%Y%m%dT%H%M%S}", OURSELVES, now, revision=0, notify=tuple(self.notifiers))
            self.store.plans.tell(noted(incident, now, "note", what[:MOST]), now)

    def over(self, what: str, now: datetime) -> None:
        """Tells, if there was one."""
        incident = self._open()
        if incident is not None:
            closed = noted(incident, now, "closed", what)
            self.store.plans.tell(replace(closed, state=IncidentState.CLOSED, closed_at=now), now)

    def said(self, what: str, now: datetime) -> None:
        """Tells once what is no trouble that lasts: an incident that is over as it begins."""
        incident = Incident(f"{OURSELVES}-note-{now:%Y%m%dT%H%M%S%f}", OURSELVES, now, revision=0, notify=tuple(self.notifiers))
        self.store.plans.tell(replace(noted(incident, now, "note", what[:MOST]), state=IncidentState.CLOSED, closed_at=now), now)

    def _open(self) -> Incident | None:
        return next((row.incident for row in self.store.plans.incidents(IncidentState.OPEN) if row.incident.model == OURSELVES), None)
