"""Which answers every notifier retries: one table for all."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from watchtower.nouns.errors import DeliveryError

REQUEST_TIMEOUT = 408
TOO_MANY = 429
SERVER_ERROR = 500
LONGEST_WAIT = 3600.0


def is_fine(status: int) -> bool:
    """Whether the far end took it."""
    return 200 <= status < 300


def is_retried(status: int) -> bool:
    """429, time-outs and 5xx may pass; every other refusal stays one."""
    return status in {REQUEST_TIMEOUT, TOO_MANY} or status >= SERVER_ERROR


def refusal(who: str, status: int, headers: Mapping[str, str], detail: str = "") -> DeliveryError:
    """The error for a *status* that is not fine; *headers* by lower-case name, *detail* without secrets."""
    told = f": {detail}" if detail else ""
    return DeliveryError(f"{who} answered {status}{told}", retryable=is_retried(status), after=wait_asked(headers))


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After`, at most an hour; a date counts from the answer's own `Date`. None where there is none that can be read."""
    asked = headers.get("retry-after", "").strip()
    if asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
