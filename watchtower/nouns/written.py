"""How operators write values in YAML: durations, numbers of windows, paths, what a score compares with; and the base of every mapping."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WINDOWS = re.compile(r"(\d+)\s*windows?")
_ROWS = re.compile(r"at least\s+([\d,_]+)\s*rows?")


def duration(value: object) -> object:
    """Reads ``30s 5m 1h 7d``; a timedelta passes; ValueError else."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        msg = f"{value!r} is no duration: write a number and a unit, such as 30s, 5m, 1h or 7d"
        raise ValueError(msg)
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError:
        msg = f"{value!r} is longer than any duration"
        raise ValueError(msg) from None


LONGEST = timedelta(days=3650)
"""Nobody means more; and a moment that far ahead can always be said."""


def span_of(text: str) -> timedelta:
    """Reads ``2h``; ValueError where it is none, nothing at all, or longer than ten years."""
    found = duration(text)
    if not isinstance(found, timedelta) or not timedelta(0) < found <= LONGEST:
        msg = f"{text!r} is no time at all" if found == timedelta(0) else f"{text!r} is longer than {LONGEST.days} days: leave it out"
        raise ValueError(msg)
    return found


Duration = Annotated[
    timedelta, BeforeValidator(duration), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?(ms|s|m|h|d)$", "examples": ["30s", "5m"]})
]


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def size(value: object) -> object:
    """Reads ``512MiB 4GiB 1GB`` as bytes; whole numbers pass; ValueError else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        msg = f"{value!r} is no size: write a number and a unit, such as 512MiB or 4GiB"
        raise ValueError(msg)
    return round(float(found[1]) * _BYTES[found[2]])


_SIZE_PATTERN = r"^\d+(\.\d+)? ?(B|[kMGT]B|[KMGT]iB)$"
_SIZE_SCHEMA = {"anyOf": [{"type": "string", "pattern": _SIZE_PATTERN, "examples": ["512MiB", "4GiB"]}, {"type": "integer", "minimum": 0}]}
Size = Annotated[int, BeforeValidator(size), Field(ge=0), WithJsonSchema(_SIZE_SCHEMA)]
"""Bytes."""


def located(path: str, info: ValidationInfo) -> str:
    """*path* from the folder that validation was given (``context={"folder": …}``: the settings file's); URLs and absolute paths stay."""
    folder = info.context.get("folder") if isinstance(info.context, dict) else None
    return path if folder is None or "://" in path else str(Path(folder) / path)


PathText = Annotated[str, Field(min_length=1), AfterValidator(located)]
"""A path in a settings file: relative ones are from that file's folder."""


class Frozen(BaseModel):
    """What every mapping of a settings file becomes: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False, use_attribute_docstrings=True)


def windows_in(value: object) -> object:
    """Reads ``3 windows`` as 3; whole numbers pass; ValueError else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _WINDOWS.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        msg = f"{value!r} is no number of windows: write 3 windows"
        raise ValueError(msg)
    return int(found[1])


_WINDOWS_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^\d+ ?windows?$", "examples": ["3 windows"]}, {"type": "integer", "minimum": 0}]}
Windows = Annotated[int, BeforeValidator(windows_in), Field(ge=0), WithJsonSchema(_WINDOWS_SCHEMA)]


class Stretch(Frozen):
    """How far back, as written: some windows, a duration, or at least so many rows. Exactly one is set."""

    windows: int | None = None
    duration: timedelta | None = None
    rows: int | None = None

    def in_windows(self, size: timedelta) -> int:
        """Base windows of *size*; durations are rounded up; 0 where rows are asked."""
        if self.windows is not None:
            return self.windows
        return -(-self.duration // size) if self.duration is not None else 0


def stretch(value: object) -> object:
    """Reads ``5 windows``, ``15m`` or ``at least 5000 rows``."""
    if isinstance(value, Stretch):
        return value
    if isinstance(value, str):
        text = value.strip()
        if found := _WINDOWS.fullmatch(text):
            return {"windows": int(found[1])}
        if found := _ROWS.fullmatch(text):
            return {"rows": int(found[1].replace(",", "").replace("_", ""))}
        if _DURATION.fullmatch(text):
            return {"duration": duration(text)}
    msg = f"{value!r}: write 5 windows, 15m, or at least 5000 rows"
    raise ValueError(msg)


Span = Annotated[Stretch, BeforeValidator(stretch), WithJsonSchema({"type": "string", "examples": ["5 windows", "15m", "at least 5000 rows"]})]


_AGAINST = "reference, previous_version, previous_window, version: GLOB, or how long ago, such as 1d"


def relative(value: object) -> object:
    """Reads what a score compares with: ``reference``, ``previous_version``, ``previous_window``, ``1d``, ``version:canary*`` or ``{version: canary*}``."""
    if isinstance(value, dict) and set(value) == {"version"} and isinstance(value["version"], str | int):
        value = f"version:{value['version']}"
    if isinstance(value, str):
        kind, mark, glob = (part.strip() for part in value.strip().partition(":"))
        if value.strip() in ("reference", "previous_version", "previous_window"):
            return value.strip()
        if kind == "version" and mark and glob:
            return f"version:{glob}"
        if (found := _DURATION.fullmatch(value.strip())) and float(found[1]) > 0:
            return f"{found[1]}{found[2]}"
    msg = f"{value!r} is nothing to compare with: write {_AGAINST}"
    raise ValueError(msg)


_VERSION_GLOB = {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"], "additionalProperties": False}
RelativeTo = Annotated[
    str,
    BeforeValidator(relative),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["previous_version", "previous_window", "1d", "version:canary*"]}, _VERSION_GLOB]}),
]
"""What a score compares with, in one spelling."""
