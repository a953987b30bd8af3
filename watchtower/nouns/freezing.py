"""When no action may be taken, and the least traffic that one needs, as operators write them."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from watchtower.nouns.written import Frozen

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def minutes(text: str) -> int | None:
    """``16:00`` as minutes since midnight, ``24:00`` included; None where it is no time of day."""
    found = _TIME.fullmatch(text.strip())
    count = int(found[1]) * 60 + int(found[2]) if found else None
    return count if count is not None and count <= 24 * 60 else None


def moment_of(text: str, zone: ZoneInfo, *, last: bool) -> datetime | None:
    """``2026-12-20`` or ``2026-12-20T18:00`` in *zone*; *last*: a date means its end. None where it is neither."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    whole = _DATE.fullmatch(text.strip()) is not None
    local = found.replace(tzinfo=zone) if found.tzinfo is None else found
    return datetime.combine(local.date() + timedelta(days=1), time(), zone) if whole and last else local


class FreezeWindow(Frozen):
    """``{days: [fri], from: "16:00", to: "23:59", timezone: Europe/Berlin}`` every week, or ``{from: 2026-12-20, to: 2027-01-02}`` once."""

    days: tuple[Day, ...] = ()
    """The days on which it begins; left out: every day."""
    start: str = Field(default="00:00", alias="from")
    """A time of day, or a date (with a time where it begins within the day)."""
    end: str = Field(default="24:00", alias="to")
    """Of the same form; its minute, or its day, is inside. Before `from`: on the next day."""
    timezone: str = "UTC"
    """Of the IANA database, such as Europe/Berlin."""

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.timezone)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            zone = self.zone
        except (KeyError, ValueError, OSError):
            msg = f"{self.timezone!r} is no time zone: write one such as Europe/Berlin, or UTC"
            raise ValueError(msg) from None
        daily = [minutes(self.start), minutes(self.end)]
        if None not in daily:
            return self
        first, last = moment_of(self.start, zone, last=False), moment_of(self.end, zone, last=True)
        if "end" not in self.model_fields_set or any(each is not None for each in daily) or first is None or last is None:
            msg = f"from {self.start!r} to {self.end!r}: write two times of day, such as 16:00 and 23:59, or two dates, such as 2026-12-20 and 2027-01-02"
            raise ValueError(msg)
        if last <= first:
            msg = f"from {self.start} to {self.end} ends before it begins"
            raise ValueError(msg)
        return self


class MinimumTraffic(Frozen):
    """``0.5 per second`` or ``200 rows in 5 windows``."""

    per_second: float | None = Field(default=None, gt=0)
    """At least so many served predictions a second …"""
    rows: int | None = Field(default=None, ge=1)
    """… or so many in all, in the last windows."""
    windows: int = Field(default=5, ge=1)
    """How many evaluated windows are looked at."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.per_second is None) == (self.rows is None):
            msg = "say per_second or rows, one of them"
            raise ValueError(msg)
        return self


_RATE = re.compile(r"(\d+(?:\.\d+)?)\s+per\s+second(?:\s+in\s+(\d+)\s+windows?)?")
_ROWS = re.compile(r"([\d,_]+)\s+rows?(?:\s+in\s+(\d+)\s+windows?)?")


def traffic(value: object) -> object:
    """Reads ``0.5 per second`` and ``200 rows in 5 windows``."""
    if not isinstance(value, str):
        return value
    if found := _RATE.fullmatch(value.strip()):
        return {"per_second": float(found[1]), "windows": int(found[2] or 5)}
    if found := _ROWS.fullmatch(value.strip()):
        return {"rows": int(found[1].replace(",", "").replace("_", "")), "windows": int(found[2] or 5)}
    msg = f"{value!r}: write 0.5 per second, or 200 rows in 5 windows"
    raise ValueError(msg)


Traffic = Annotated[MinimumTraffic, BeforeValidator(traffic, json_schema_input_type=str | MinimumTraffic)]
"""``200 rows in 5 windows``."""
