"""The templates, and how values are written in them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_NONE = "\N{EN DASH}"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def templates() -> Environment:
    """The environment that renders pages: escaped, strict, with the filters below."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.filters |= {"count": count, "score": score, "moment": moment, "words": words, "share": share, "plain": plain}
    return environment


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
