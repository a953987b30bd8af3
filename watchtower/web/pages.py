"""What people read in a browser: rendered here, without a script."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from watchtower import __version__
from watchtower.web.curves import BoardRow, Status, bands, curves, shares
from watchtower.web.view import StatusView

_WINDOWS = 60
_MOST_CURVES = 240
_NONE = "\N{EN DASH}"
_SHAPES = msgspec.json.Decoder(Status), msgspec.json.Decoder(list[BoardRow])
"""Read by nobody; made while this is imported, by one thread: msgspec (0.22) crashes the process where two threads meet a type for the first time at once."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Pages:
    """Renders templates; they are read when the first page is asked for."""

    @cached_property
    def _template(self) -> Callable[[str], Callable[[Mapping[str, object]], str]]:
        """A template's name -> what renders it."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  2 MB that only who looks at pages pays

        loader = FileSystemLoader(Path(__file__).parent / "templates")
        templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
        templates.filters |= {"count": count, "score": score, "moment": moment, "words": words, "share": share, "plain": plain}
        return lambda name: templates.get_template(name).render

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
        shown = {"incident": found, "facts": rows, "judged": judged[-1] if judged else None}
        return self._render("incident.html", msgspec.convert(view.status(), type=Status), shown)


def _listed(view: StatusView) -> list[dict[str, object]]:
    return msgspec.convert(view.incidents()["incidents"], type=list[dict[str, object]])


# ------------------------------------------------------------------------------------------------ how values are written


def count(value: float) -> str:
    """``1,234,567``."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """``12.5 %``; ``<0.1 %`` where it is more than nothing."""
    return "<0.1 %" if 0 < value < 0.001 else f"{value * 100:.1f} %"


def score(value: float | None) -> str:
    """Four significant digits; a dash where there is no score."""
    if value is None:
        return _NONE
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def moment(text: str | None) -> str:
    """``2026-11-20 10:00:05``, UTC; a dash for None."""
    return _NONE if text is None else text[:19].replace("T", " ").removesuffix("Z")


def words(name: object) -> str:
    """``model_regression`` as two words."""
    return str(name).replace("_", " ")


def plain(value: object) -> str:
    """A value of the evidence or the audit in one line; moments as :func:`moment`, alerts as ``Rule[subject]``, what is empty left out."""
    match value:
        case bool():
            text = "yes" if value else "no"
        case float():
            text = score(value)
        case str():
            text = moment(value) if _MOMENT.fullmatch(value) else value
        case {"rule": rule, "segment": segment, "subject": subject}:
            text = f"{rule}[{'|'.join(str(part) for part in (segment, subject) if part)}]"
        case Mapping():
            text = ", ".join(f"{words(key)} {plain(each)}" for key, each in value.items())
        case Sequence():
            text = ", ".join(plain(each) for each in value)
        case _:
            text = "" if value is None else str(value)
    return text or _NONE
