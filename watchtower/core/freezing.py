"""Which freeze window a moment lies in. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from watchtower.nouns.freezing import DAYS, FreezeWindow, minutes, moment_of


def within(windows: Sequence[FreezeWindow], now: datetime) -> str:
    """The guard's sentence of the first of *windows* that *now* lies in, "" where it lies in none."""
    return next((said for each in windows if (said := _within(each, now))), "")


def _within(window: FreezeWindow, now: datetime) -> str:
    local = now.astimezone(window.zone)
    start, end = minutes(window.start), minutes(window.end)
    if start is None or end is None:
        return _span(window, local)
    at = local.hour * 60 + local.minute
    today = _begins(window, local) and start <= at and (at <= end or end < start)
    yesterday = end < start and _begins(window, local - timedelta(days=1)) and at <= end
    if not (today or yesterday):
        return ""
    days = f"{', '.join(window.days)} " if window.days else ""
    return f"freeze_window: {days}{window.start} to {window.end} {window.timezone}: {DAYS[local.weekday()]} {local:%H:%M} there lies in it"


def _span(window: FreezeWindow, local: datetime) -> str:
    first, last = moment_of(window.start, window.zone, last=False), moment_of(window.end, window.zone, last=True)
    if first is None or last is None or not first <= local < last or not _begins(window, local):
        return ""
    return f"freeze_window: {window.start} to {window.end} {window.timezone}: {local:%Y-%m-%d %H:%M} there lies in it"


def _begins(window: FreezeWindow, local: datetime) -> bool:
    return not window.days or DAYS[local.weekday()] in window.days
