"""What was evaluated before a window, as far back as its scores look."""

from collections.abc import Sequence
from datetime import timedelta

from watchtower.core.comparing import ago, windows_ago
from watchtower.core.spanning import Earlier, Past, reach
from watchtower.core.versions import LEADS
from watchtower.nouns.memory import Served
from watchtower.nouns.score import Need
from watchtower.nouns.window import Window
from watchtower.store import Store
from watchtower.store.windows import ClosedRow


def earlier(store: Store, model: str, window: Window, served: Served, needs: frozenset[Need]) -> Earlier:
    """The windows that *needs* read beside *window*, and no others: of a day ago only as many as are compared."""
    past = _past(store.windows.history(model, window.start, reach(needs)))
    return Earlier(past, _before_change(store, model, served, needs), _ago(store, model, window, needs))


def _before_change(store: Store, model: str, served: Served, needs: frozenset[Need]) -> Sequence[Past]:
    """The windows before the live version began, where a rule compares with them."""
    wanted = frozenset(need for need in needs if need.against == "previous_version")
    if served.live_since is None or served.previous is None or not wanted:
        return ()
    return _past(store.windows.history(model, served.live_since, reach(wanted) + LEADS))


def _ago(store: Store, model: str, window: Window, needs: frozenset[Need]) -> dict[str, Sequence[Past]]:
    size: timedelta = window.end - window.start
    return {against: _past(store.windows.history(model, window.end - windows_ago(against, size) * size, count)) for against, count in ago(needs).items()}


def _past(rows: Sequence[ClosedRow]) -> Sequence[Past]:
    return [Past(each.window, each.live, each.profiles) for each in rows]
