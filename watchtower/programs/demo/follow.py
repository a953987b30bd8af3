"""What the daemon says of itself, read from outside, and what is new in it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from watchtower.programs.demo.children import get
from watchtower.programs.demo.scene import MODEL

Said = Mapping[str, object]
NAMES = ("version_live", "alert_firing", "verdict", "switched", "recovered", "incident_closed")


@dataclass(frozen=True, slots=True)
class Event:
    """One of NAMES, with plain values."""

    name: str
    facts: Said


@dataclass(frozen=True, slots=True)
class News:
    """What the daemon answers now: the model's live version, its alerts, its incidents (oldest first)."""

    live: str | None = None
    predictions: Mapping[str, int] = field(default_factory=dict)
    alerts: Sequence[Said] = ()
    incidents: Sequence[Said] = ()


@dataclass(slots=True)
class Follower:
    """Turns what the daemon says into events, each once, in the story's order."""

    live: str | None = None
    went_back_to: str | None = None
    recovered: bool = False
    _told: set[tuple[str, str]] = field(default_factory=set)

    def events(self, news: News) -> Iterator[Event]:
        """What has happened since the last look."""
        if news.live is not None and news.live != self.live:
            yield Event("version_live", {"version": news.live, "before": self.live})
            self.live = news.live
        for alert in news.alerts:
            name = f"{alert['rule']}[{alert['subject']}]"
            if alert["state"] == "firing" and self._first("alert", f"{name} {alert.get('since')}"):
                yield Event("alert_firing", {"alert": name, "version": alert["version"], "value": alert["value"]})
        for incident in news.incidents:
            yield from self._of_incident(incident, news)

    def _of_incident(self, incident: Said, news: News) -> Iterator[Event]:
        key, plan = str(incident["id"]), cast("Said", incident.get("plan") or {})
        if plan.get("verdict") and self._first("verdict", key):
            yield Event("verdict", {name: plan.get(name) for name in ("verdict", "diagnosis", "reason", "live", "candidate")})
        if plan.get("step") in {"verifying", "rolled_back"} and self._first("switched", key):
            self.went_back_to = str(plan["candidate"])
            yield Event("switched", {"from": plan["live"], "to": plan["candidate"]})
        if not self.recovered and self.went_back_to is not None and self.live == self.went_back_to and not _firing(news):
            self.recovered = True
            yield Event("recovered", {"version": self.live})
        if incident["state"] == "closed" and self._first("closed", key):
            yield Event("incident_closed", {"incident": key})

    def _first(self, what: str, key: str) -> bool:
        fresh = (what, key) not in self._told
        self._told.add((what, key))
        return fresh


def ask(port: int) -> News:
    """What the daemon on *port* answers, incidents with their timelines; empty where it does not."""
    status, incidents = _json(get(port, "/api/v1/status")), _json(get(port, "/api/v1/incidents"))
    mine = [each for each in _listed(incidents.get("incidents")) if each["model"] == MODEL]
    model = next((each for each in _listed(status.get("models")) if each["model"] == MODEL), {})
    versions = {str(each["version"]): int(str(each["predictions"])) for each in _listed(model.get("versions"))}
    live = model.get("live")
    return News(
        live=None if live is None else str(live),
        predictions=versions,
        alerts=[each for each in _listed(status.get("alerts")) if each["model"] == MODEL],
        incidents=sorted((_json(get(port, f"/api/v1/incidents/{each['id']}")) or each for each in mine), key=lambda each: str(each["opened"])),
    )


def notes(incident: Said) -> list[str]:
    """What an incident's timeline says of its trial; the rest are events."""
    return [str(each["text"]) for each in _listed(incident.get("timeline")) if each["what"] == "trial"]


def _firing(news: News) -> bool:
    return any(alert["state"] == "firing" for alert in news.alerts)


def _listed(value: object) -> list[Said]:
    return cast("list[Said]", value) if isinstance(value, list) else []


def _json(body: bytes | None) -> Said:
    return cast("Said", json.loads(body)) if body else {}
