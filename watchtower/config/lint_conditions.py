"""What a rule's conditions allow and likely do not mean."""

from collections.abc import Iterator
from datetime import timedelta

from watchtower.conditions._on_measure import OnScores
from watchtower.conditions.all_of import AllOf
from watchtower.conditions.burn_rate import BurnRate
from watchtower.conditions.cumulative import Cumulative
from watchtower.config.rulebook import Written
from watchtower.core.rules import auto
from watchtower.core.spanning import MOST
from watchtower.nouns.errors import Problem
from watchtower.nouns.written import Stretch


def condition_warnings(written: Written, size: timedelta) -> Iterator[Problem]:
    """All that there is to say of the conditions of one rule, for windows of *size*."""
    yield from _too_far(written, size)
    if written.rule.version is not None and auto(written.rule) is not None:
        what = "value: auto is calibrated to the live version's rows and history: on other versions, with fewer rows, it alarms more often than its budget"
        yield Problem(written.place("version"), what, "leave version: out, or write a number as the value")
    for condition, keys in written.conditions():
        if isinstance(condition, Cumulative) and condition.need(written.rule.reach(size), size).over.windows > 1:
            what = "cumulative adds up scores of windows that overlap, so that each counts several times"
            yield Problem(written.place(*keys), what, "say over: 1 window inside the condition")
        if isinstance(condition, AllOf):
            yield from _never_joined(written, condition, keys)


def _too_far(written: Written, size: timedelta) -> Iterator[Problem]:
    """Stretches that this release does not merge whole."""
    spans: list[tuple[Stretch | None, tuple[str | int, ...]]] = [(written.rule.over, ("over",))]
    for condition, keys in written.conditions():
        if isinstance(condition, OnScores):
            spans.append((condition.over, (*keys, "over")))
        if isinstance(condition, BurnRate):
            spans += [(condition.long, (*keys, "long")), (condition.short, (*keys, "short"))]
    for span, keys in spans:
        windows = span.in_windows(size) if span is not None else 0
        if windows > MOST:
            yield Problem(
                written.place(*keys), f"{windows:,} windows: only the last {MOST} are merged in this release", "make windows longer, or look less far back"
            )


def _never_joined(written: Written, condition: AllOf, keys: tuple[str | int, ...]) -> Iterator[Problem]:
    """Two conditions on different features have no subject in common."""
    named = {
        each.feature: index for index, each in enumerate(condition.of) if isinstance(each, OnScores) and each.feature and not set("*?[") & set(each.feature)
    }
    if len(named) > 1:
        features = " and ".join(repr(name) for name in sorted(named))
        what = f"all_of joins on the subject, and {features} are two: it never finds anything"
        yield Problem(written.place(*keys), what, "wrap each in {kind: share_of, value: 1, of: …}, which has no subject")
