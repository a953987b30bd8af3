"""Writes reports: a page over some models, one over an incident."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from watchtower.nouns.errors import ConfigError, Problem, Unavailable
from watchtower.nouns.incident import Incident
from watchtower.nouns.place import Place
from watchtower.nouns.report import ModelReport
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.workers.reports import Reporter


def write(path: Path, reporter: Reporter, windows: Mapping[str, Window]) -> None:
    """A page over every model of *windows*, each as of its window; ConfigError where *path* cannot be written."""
    reports: list[ModelReport] = []
    lacking: list[tuple[str, str]] = []
    for model, window in sorted(windows.items()):
        try:
            reports.append(reporter.report(model, window.end))
        except Unavailable as reason:
            lacking.append((model, str(reason)))
    keep(path, _page("Replay", reports, lacking))


class IncidentReports:
    """Pages over incidents: one is made at a time, and the last one is kept as long as its incident does not change."""

    def __init__(self, store: Store, reporter: Reporter) -> None:
        """Incidents of *store*."""
        self._store = store
        self._reporter = reporter
        self._turn = Lock()
        self._last: tuple[str, int, str] = ("", 0, "")

    def __call__(self, incident_id: str) -> str | None:
        """The page of the windows that made it fire; None where there is no incident of that id."""
        found = next((row.incident for row in self._store.plans.incidents() if row.incident.id == incident_id), None)
        if found is None:
            return None
        with self._turn:
            if self._last[:2] != (found.id, found.revision):
                self._last = (found.id, found.revision, self._page(found))
            return self._last[2]

    def _page(self, incident: Incident) -> str:
        try:
            return _page(f"Incident {incident.id}", [self._reporter.report(incident.model, incident.opened_at)])
        except Unavailable as reason:
            return _page(f"Incident {incident.id}", [], [(incident.model, str(reason))])


def _page(title: str, reports: Sequence[ModelReport], lacking: Sequence[tuple[str, str]] = ()) -> str:
    from watchtower.web.report_page import page  # noqa: PLC0415  jinja2 is 6 MB and a tenth of a second, which a daemon that makes no report does not pay

    return page(title, reports, lacking)


def keep(path: Path, text: str) -> None:
    """Writes *text* to *path*."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as refused:
        raise ConfigError([Problem(Place(str(path)), f"the report cannot be written: {refused.strerror}", "name a file in a folder that exists")]) from refused
