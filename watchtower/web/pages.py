"""What people read in a browser: rendered here, without a script."""

from collections.abc import Callable, Mapping
from functools import cached_property

import msgspec

from watchtower import __version__
from watchtower.web.curves import BoardRow, Status, bands, curves, shares
from watchtower.web.view import StatusView

_WINDOWS = 60
_MOST_CURVES = 240
_SHAPES = msgspec.json.Decoder(Status), msgspec.json.Decoder(list[BoardRow])
"""Read by nobody; made while this is imported, by one thread: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""


class Pages:
    """Renders templates; they are read when the first page is asked for."""

    @cached_property
    def _template(self) -> Callable[[str], Callable[[Mapping[str, object]], str]]:
        """A template's name -> what renders it."""
        from watchtower.web.templating import templates  # noqa: PLC0415  2 MB that only who looks at pages pays

        environment = templates()
        return lambda name: environment.get_template(name).render

    def _render(self, name: str, status: Status, shown: Mapping[str, object]) -> str:
        return self._template(name)({"version": __version__, "status": status, **shown})

    def overview(self, view: StatusView) -> str:
        """Every model, what fires, what was decided."""
        status = msgspec.convert(view.status(), type=Status)
        return self._render("overview.html", status, {"incidents": _listed(view)[:10]})

    def model(self, view: StatusView, name: str) -> str | None:
        """One model; None where it is unknown."""
        status = msgspec.convert(view.status(), type=Status)
        model = next((each for each in status.models if each.model == name), None)
        if model is None:
            return None
        boards = msgspec.convert(list(view.boards(name, _WINDOWS)), type=list[BoardRow])[::-1]
        drawn = curves(boards)
        shown = {
            "model": model,
            "alerts": [each for each in status.alerts if each.model == name],
            "decisions": [each for each in status.decisions if each["model"] == name],
            "incidents": [each for each in _listed(view) if each["model"] == name][:10],
            "board": boards[-1] if boards else None,
            "windows": len(boards),
            "shares": shares(boards, [each.version for each in model.versions]),
            "bands": bands(drawn[:_MOST_CURVES]),
            "more": max(0, len(drawn) - _MOST_CURVES),
        }
        return self._render("model.html", status, shown)

    def incidents(self, view: StatusView) -> str:
        """All incidents, newest first."""
        return self._render("incidents.html", msgspec.convert(view.status(), type=Status), {"incidents": _listed(view)})

    def incident(self, view: StatusView, incident_id: str) -> str | None:
        """One incident: its timeline, the verdict's arithmetic, the audit; None where there is none of that id."""
        found = view.incident(incident_id)
        if found is None:
            return None
        rows = msgspec.convert(found["facts"], type=list[dict[str, object]])
        facts = [msgspec.convert(row["fact"], type=dict[str, object]) for row in rows]
        judged = [fact for fact in facts if fact["kind"] == "judged"]
        shown = {"incident": found, "judged": judged[-1] if judged else None}
        return self._render("incident.html", msgspec.convert(view.status(), type=Status), shown)


def _listed(view: StatusView) -> list[dict[str, object]]:
    return msgspec.convert(view.incidents()["incidents"], type=list[dict[str, object]])
