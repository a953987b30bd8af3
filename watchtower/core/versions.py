"""Which version is what: live, canary, healthy, candidate. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from watchtower.nouns.memory import Served
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step
from watchtower.nouns.window import Window

FADED = 0.01
"""A live version with a smaller share of the served rows is over at once."""
LEADS = 3
"""Windows running that another version must lead."""
HEALTHY_AFTER = 60
"""Consecutive windows live without a page that make a version healthy."""
REMEMBERED = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """What is declared of a model's versions: `healthy:`, `unhealthy:`, and when each was made (as far as known)."""

    healthy: tuple[str, ...] = ()
    unhealthy: tuple[str, ...] = ()
    created: Mapping[str, datetime] = field(default_factory=dict)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key: digits by value, so that 9 comes before 10."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part)


def follow(served: Served, weights: Mapping[str, float], window: Window) -> Served:
    """*served* after a window with these served weights by version; an empty window changes nothing but the count.

    Live is the version with most served predictions: it changes at once when the old one has under 1 % of them, else when another led for 3 windows running
    (the third included); ties keep the old one.
    """
    total = sum(weights.values())
    if total <= 0:
        return replace(served, since_change=served.since_change + 1)
    top = max(weights, key=lambda version: (weights[version], version == served.live, natural(version)))
    led = served.led + 1 if top == served.leader else 1
    first = {**{version: window.start for version, weight in weights.items() if weight > 0}, **served.first_served}
    served = replace(served, leader=top, led=led, first_served=first, since_change=served.since_change + 1)
    if served.live is None:
        return replace(served, live=top, live_since=window.start, since_change=LEADS)
    if top != served.live and (weights.get(served.live, 0.0) < FADED * total or led >= LEADS):
        return replace(served, live=top, previous=served.live, live_since=window.start, since_change=0, changed=(*served.changed, window.end)[-REMEMBERED:])
    return served


def aged(served: Served, *, paged: bool) -> Served:
    """*served* after an evaluation in which a page was firing for the live version, or none was."""
    if served.live is None:
        return served
    return replace(served, quiet_windows={**served.quiet_windows, served.live: 0 if paged else served.quiet_windows.get(served.live, 0) + 1})


def left(served: Served, plan: Plan, before: Plan | None = None) -> Served:
    """*served* with what *plan* switched away from, whether or not that helped: none of it is a candidate until it is cleared.

    *before* is the plan as it was: what was marked then, somebody may have cleared since.
    """
    fresh = tuple(each for each in gone(plan) if each not in {*served.rolled_back_from, *gone(before)})
    return replace(served, rolled_back_from=(*served.rolled_back_from, *fresh)) if fresh else served


def gone(plan: Plan | None) -> tuple[str, ...]:
    """The versions that *plan* switched away from: its live one, and the candidate too where it went forward again."""
    if plan is None or (plan.switched_at is None and plan.step is not Step.ROLLED_BACK):
        return ()
    return (plan.live, *([plan.candidate] if plan.returned_at is not None and plan.candidate is not None else []))


def candidates(served: Served, standing: Standing) -> tuple[str, ...]:
    """Healthy versions other than live, newest first: by first served time, then made, then natural order.

    Healthy is declared, or live for 60 consecutive windows without a page; rolled back from, or declared unhealthy, outranks it.
    """
    earned = {version for version, windows in served.quiet_windows.items() if windows >= HEALTHY_AFTER}
    out = {*standing.unhealthy, *served.rolled_back_from, served.live}
    healthy = [version for version in {*standing.healthy, *earned} if version not in out]
    return tuple(sorted(healthy, key=lambda version: _age(version, served, standing), reverse=True))


def _age(version: str, served: Served, standing: Standing) -> tuple[float, float, Sequence[tuple[int, int, str]]]:
    first, made = served.first_served.get(version), standing.created.get(version)
    return (first.timestamp() if first else 0.0, made.timestamp() if made else 0.0, natural(version))
