"""What is no comparison of profiles: a measure's view of one (version, segment) of a closed window, and its score."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from watchtower.core.merging import without_cells
from watchtower.core.naming import is_of_model
from watchtower.measures import Measure
from watchtower.measures._estimates import estimates, joined_scores, wilson
from watchtower.nouns.profile import Profile
from watchtower.nouns.readings import Readings
from watchtower.nouns.score import Closed, MeasureName, Need, Scores, View


def measured(closed: Closed, need: Need, place: tuple[str, str], profile: Profile, reference: Profile | str) -> Scores:
    """The scores of *need* at *place*, a (version, segment) whose merge over the need's windows is *profile*."""
    measure = Measure.member(need.measure.family)()
    if closed.incomplete and need.measure.family in ("quality", "prediction", "fairness"):
        return Scores.none(("",), closed.incomplete)
    scores = measure.score(need.measure.name, view_of(closed, need, place, profile, reference))
    return _with_zeros(closed, scores, need.measure, place[1])


def view_of(closed: Closed, need: Need, place: tuple[str, str], profile: Profile, reference: Profile | str) -> View:
    """What the measure sees at *place*."""
    version, segment = place
    folded = closed.binning.id if closed.binning is not None else ""
    windows = max(1, closed.spans.get((version, need.over), closed.spans.get(("", need.over), need.over.windows)))
    seconds = windows * (closed.window.end - closed.window.start).total_seconds()
    return View(
        model=closed.model,
        version=version,
        segment=segment,
        profile=profile if profile.binning in ("", folded) else without_cells(profile),
        siblings=_siblings(closed, need, version, segment),
        seconds=seconds,
        binning=closed.binning,
        reference=None if isinstance(reference, str) else reference,
        reason=closed.reason or ("folded before the reference was complete" if closed.binning is not None else "no reference"),
        settings=closed.settings,
        segments=_segments(closed, need, version, folded) if not segment else {},
        min_rows=need.min_rows,
        end=closed.window.end,
        began=closed.began.get(version),
        readings=closed.readings.since(closed.window.end - timedelta(seconds=seconds)),
        run=closed.run[-(windows if need.over.rows else need.over.windows) :],
        size=(closed.window.end - closed.window.start).total_seconds(),
        seen=closed.seen,
        analysed=closed.analysed.scores.get((need, version, segment)),
        calibration=closed.analysed.calibrations.get(version, closed.analysed.reason),
        parameters=dict(need.measure.parameters),
        rollback_ready=closed.rollback_ready,
    )


def view_then(closed: Closed, need: Need, place: tuple[str, str], other: Profile, reference: Profile | str) -> View:
    """What the measure sees of *other*, the other side of a need that is `relative_to` something: profiles alone, nothing that was read of machines."""
    version, segment = ("" if is_of_model(need.measure) else place[0]), place[1]
    windows = max(1, closed.compared_windows.get((version, need.over, need.against), need.over.windows))
    whole = closed.compared.get(("", segment, need.over, need.against))
    return replace(
        view_of(closed, need, place, other, reference),
        siblings={"": whole} if isinstance(whole, Profile) else {version: other},
        seconds=windows * (closed.window.end - closed.window.start).total_seconds(),
        segments=_segments_then(closed, need, version) if not segment else {},
        began=None,
        readings=Readings(),
        run=(),
        analysed=None,
        calibration="estimates are not compared",
    )


def _segments_then(closed: Closed, need: Need, version: str) -> Mapping[str, Profile]:
    """The other side's segments, of those that were folded under the present binning."""
    folded = closed.binning.id if closed.binning is not None else ""
    there = {key[1]: each for key, each in closed.compared.items() if (key[0], *key[2:]) == (version, need.over, need.against)}
    return {part: each for part, each in there.items() if part and isinstance(each, Profile) and each.binning == folded}


def _with_zeros(closed: Closed, scores: Scores, measure: MeasureName, segment: str) -> Scores:
    """A status that occurred in the last 60 windows and not in these has a share of 0: an alert on it must be able to end."""
    if measure.family != "errors" or scores.reasons[0] is not None:
        return scores
    seen = sorted(subject for name, part, subject in closed.seen if name == str(measure) and part == segment)
    gone = [subject for subject in seen if subject not in scores.subjects]
    return joined_scores(scores, estimates(dict.fromkeys(gone, wilson(0.0, int(scores.n[0]))), int(scores.n[0]))) if gone else scores


def _segments(closed: Closed, need: Need, version: str, folded: str) -> Mapping[str, Profile]:
    """The merges of *version*'s segments, of those that were folded under the present binning."""
    found = {part: each for (name, part, over), each in closed.profiles.items() if name == version and part and over == need.over}
    return {part: each for part, each in found.items() if each.binning == folded}


def _siblings(closed: Closed, need: Need, version: str, segment: str) -> Mapping[str, Profile]:
    """The versions that served beside *version*; the whole model's measures read the merge over the live version's windows where there is one."""
    whole = closed.profiles.get(("", segment, need.over))
    if whole is not None and is_of_model(need.measure):
        return {version: whole}
    return {name: each for (name, part, over), each in closed.profiles.items() if name and part == segment and over == need.over}
