"""The committed dashboards as questions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.running import ROOT, Json
from tests.servers.prometheus import Series

DASHBOARDS = ROOT / "dashboards"
Curve = dict[float, float]
"""Value by time, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its title and its queries as committed, variables and all."""

    dashboard: str
    title: str
    queries: tuple[str, ...]

    def filled(self, model: str, *, interval: str, whole: str) -> list[str]:
        """The queries with Grafana's variables filled in: *interval* for rates, *whole* for the time shown."""
        known = {"$__rate_interval": interval, "$__range": whole, "$model": model, "$statistic": ".+"}
        found = list(self.queries)
        for name, value in known.items():
            found = [query.replace(name, value) for query in found]
        return found


def panels() -> list[Panel]:
    """Every panel of every dashboard that asks something."""
    return [panel for file in sorted(DASHBOARDS.glob("*.json")) for panel in _panels(file)]


def _panels(file: Path) -> Iterator[Panel]:
    waiting: list[Json] = list(json.loads(file.read_text())["panels"])
    while waiting:
        panel = waiting.pop(0)
        inside, targets = panel.get("panels"), panel.get("targets")
        waiting += inside if isinstance(inside, list) else []
        if isinstance(targets, list) and targets:
            yield Panel(file.name, str(panel["title"]), tuple(str(target["expr"]) for target in targets))


def labelled(series: Mapping[Series, Sequence[tuple[float, float]]], **wanted: str) -> Curve:
    """The one series that has these labels among others, as value by time; {} where there is none."""
    found = [dict(curve) for labels, curve in series.items() if wanted.items() <= dict(labels).items()]
    assert len(found) <= 1, f"{len(found)} series with {wanted}"
    return found[0] if found else {}
