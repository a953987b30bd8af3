"""What pages and API show, and where it comes from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Protocol

from watchtower.edges.metrics import Metrics
from watchtower.nouns.alert import AlertState
from watchtower.nouns.facts import Fact, Judged
from watchtower.nouns.incident import Incident
from watchtower.store import Store
from watchtower.store.codec import Json, attribution_json, fact_json, incident_json, stamp
from watchtower.store.history import Stretch

_INSTANT = timedelta(microseconds=1)
_MOST_MOVED = 10


class StatusView(Protocol):
    """The questions that the server asks; each may be asked from several threads at once, and reads only."""

    def status(self) -> Json:
        """The JSON of `status --json`."""
        ...

    def metrics_text(self, *, openmetrics: bool) -> bytes:
        """What Prometheus scrapes."""
        ...

    def ready(self) -> Mapping[str, str]:
        """What is not ready, and why; empty when all is."""
        ...

    def incidents(self) -> Json:
        """The JSON of `incidents --json`."""
        ...

    def incident(self, incident_id: str) -> Json | None:
        """One incident with its *timeline* and *facts*, and what *changed* between live and candidate; None where there is none of that id."""
        ...

    def rollbacks(self) -> Json:
        """Every plan, newest first, and whether its record holds."""
        ...

    def report(self, incident_id: str) -> str | None:
        """The incident's report, a page of its own, which may take some seconds; None where there is no such incident."""
        ...

    def boards(self, model: str, limit: int) -> Sequence[Json]:
        """The newest boards of a model, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class StoreView:
    """The view over a store; *not_ready* is asked at every `/readyz`."""

    store: Store
    metrics: Metrics
    not_ready: Callable[[], Mapping[str, str]]
    reports: Callable[[str], str | None] = lambda _incident: None

    def status(self) -> Json:
        """As the store says at this moment."""
        return self.store.status()

    def metrics_text(self, *, openmetrics: bool) -> bytes:
        """As counted by this process."""
        return self.metrics.text(openmetrics=openmetrics)

    def ready(self) -> Mapping[str, str]:
        """As the daemon says."""
        return self.not_ready()

    def incidents(self) -> Json:
        """Newest first."""
        return self.store.incidents_json()

    def incident(self, incident_id: str) -> Json | None:
        """With everything that is kept of it."""
        found = next((row for row in self.store.plans.incidents() if row.incident.id == incident_id), None)
        if found is None:
            return None
        facts = [] if found.plan is None else self.store.plans.facts(found.plan.id)
        audit = self.store.audit.of(incident_id)
        timeline = [{"at": stamp(each.at), "what": each.what, "text": each.text} for each in found.incident.timeline]
        told = [{"seq": row.seq, "at": stamp(row.at), "hash": row.hash, "fact": fact_json(row.fact)} for row in facts]
        kept = {"timeline": timeline, "facts": told, "audit": audit}
        return {**incident_json(found.incident, found.plan), **kept, "moved": self._moved(found.incident), "changed": _changed(row.fact for row in facts)}

    def rollbacks(self) -> Json:
        """As the audit has them."""
        return {"rollbacks": self.store.audit.rollbacks()}

    def report(self, incident_id: str) -> str | None:
        """As the reporter makes it."""
        return self.reports(incident_id)

    def _moved(self, incident: Incident) -> list[Json]:
        """What moved when each of its alerts began to fire, the first ten."""
        during = Stretch(incident.model, incident.opened_at - _INSTANT, incident.closed_at)
        firing = (change for change in self.store.history.changes(during) if change.alert.state is AlertState.FIRING and change.alert.attribution is not None)
        found = [(change.alert.id, change.alert.attribution) for change in islice(firing, _MOST_MOVED)]
        return [{"alert": str(alert), **attribution_json(moved)} for alert, moved in found if moved is not None]

    def boards(self, model: str, limit: int) -> Sequence[Json]:
        """As stored."""
        return self.store.windows.boards(model, limit)


def _changed(facts: Iterable[Fact]) -> object:
    """What differs between live and candidate, as the last judgement has it; None where nothing is known."""
    judged = [fact for fact in facts if isinstance(fact, Judged)]
    return judged[-1].evidence.get("changed") if judged else None
