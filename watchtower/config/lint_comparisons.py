"""What conditions that are `relative_to` something likely do not mean."""

from collections.abc import Iterator
from datetime import timedelta

from watchtower.config.rulebook import Written
from watchtower.core.comparing import NAMED, REFERENCE, VERSION
from watchtower.core.differing import UNTESTED, WITHOUT_OTHER_SIDE
from watchtower.core.naming import is_of_model
from watchtower.nouns.errors import Problem
from watchtower.nouns.score import MeasureName
from watchtower.nouns.written import duration


def comparison_warnings(written: Written, kept: timedelta) -> Iterator[Problem]:
    """Conditions that never find anything: nothing to compare with, or no p-value. *kept* is how long windows are."""
    for condition, keys in written.conditions():
        measure, against = getattr(condition, "measure", None), getattr(condition, "relative_to", REFERENCE)
        if not isinstance(measure, MeasureName) or against == REFERENCE:
            continue
        place = written.place(*keys, "relative_to")
        if measure.family in WITHOUT_OTHER_SIDE:
            yield Problem(place, f"{measure} has nothing to be compared with: it never has a score here", "leave relative_to: out")
        elif against.startswith(VERSION) and is_of_model(measure):
            yield Problem(place, f"{measure} is the whole model's, not a version's: it never has a score here", "compare it with another time, such as 1d")
        elif str(measure) in UNTESTED and getattr(condition, "significance", None) is not None:
            what = f"the difference of {measure} has no p-value, so rule {written.rule.name!r} never fires"
            yield Problem(place, what, "say significance: null, and min_rows: to keep small windows quiet")
        elif against not in NAMED and not against.startswith(VERSION):
            ago = duration(against)
            if isinstance(ago, timedelta) and ago > kept:
                days = kept / timedelta(days=1)
                yield Problem(place, f"windows are kept for {days:g} days only, so there are none {against} ago", "say store: retention: windows: for longer")
