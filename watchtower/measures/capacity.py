"""How many instances a model's traffic needs."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import ClassVar

from watchtower.measures import Measure
from watchtower.measures._quantiles import quantile
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores, View

LEAST = 100
"""Rows with a latency that a window needs to say something of P99."""
ROUNDED = 1e-9
"""What a sum of floats may be off by, as a share of it."""
Window = Mapping[str, Profile]


class Capacity(Measure):
    """instances: N = ⌈T/Q⌉ + ⌈0.2·T/Q⌉, a fifth of reserve (T = 100, Q = 10 gives 12).

    T is the largest rate (predictions a second, weighted by 1/sampling, all versions) of any base window in `over`, so say `over:`, such as 60 windows.
    Q is `capacity: {per_instance: …}`, else the largest rate an instance (the window's rate over its instances) of any of these windows of at least 100
    rows in which the P99 of every version stayed within `capacity: {p99_limit: …}`. An instance may bear more than it was ever seen to: so estimated, N is
    what is known to suffice. `n` is the rows of all these windows.
    """

    names: ClassVar[tuple[str, ...]] = ("instances",)
    of_model: ClassVar[frozenset[str]] = frozenset(names)

    def score(self, name: str, view: View) -> Scores:  # noqa: ARG002  there is one
        """Subject ""."""
        windows = [{version: profile for (version, segment), profile in each.items() if segment == view.segment} for each in view.run]
        rows = sum(profile.rows for window in windows for profile in window.values())
        peak = max((_weight(window) for window in windows), default=0.0) / view.size
        its = view.settings.capacity
        if its is None:
            return Scores.none([""], "no capacity configured: say capacity: {per_instance: …} or {p99_limit: …}", [rows])
        if not peak:
            return Scores.none([""], "no rows")
        each = its.per_instance or (_estimated(windows, its.p99_limit.total_seconds(), view.size) if its.p99_limit else "capacity says neither limit")
        return Scores.none([""], each, [rows]) if isinstance(each, str) else Scores.one(float(instances(peak, each)), rows)


def instances(rate: float, per_instance: float) -> int:
    """⌈T/Q⌉ + ⌈0.2·T/Q⌉; a fifth, and not 0.2 times, because 0.2 * 35 is a little over 7. What a sum of weights 1/0.3 is off by needs no instance."""
    need = rate / per_instance * (1 - ROUNDED)
    return ceil(need) + ceil(need / 5)


def _weight(window: Window) -> float:
    return sum(each.weight for each in window.values())


def _estimated(windows: Sequence[Window], limit: float, seconds: float) -> float | str:
    """The largest rate an instance among the windows that kept *limit* (seconds)."""
    telling = [window for window in windows if sum(each.latency.rows for each in window.values() if each.latency is not None) >= LEAST]
    if not telling:
        return f"no window of at least {LEAST} rows with a latency"
    kept = [window for window in telling if all(quantile(each.latency, 0.99) <= limit for each in window.values() if each.latency is not None)]
    if not kept:
        return f"P99 stayed within {limit:g} s in none of {len(telling)} windows"
    rates = [_weight(window) / seconds / named for window in kept if (named := len({name for each in window.values() for name in each.instances}))]
    return max(rates) if rates else "no instances logged"
