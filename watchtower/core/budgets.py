"""What a rule's calibration is made from: its terms, what can be drawn, and the quiet stretches of its history. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from watchtower.conditions._bounded import Bounded
from watchtower.conditions.below import Below
from watchtower.core.calibration import Terms
from watchtower.core.drawing import Drawn, Source
from watchtower.core.naming import AUTO, is_statistic
from watchtower.core.remembering import PastScores
from watchtower.core.rules import Rule
from watchtower.nouns.batch import Ints
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import MeasureName, Need, Slot, matches
from watchtower.nouns.settings import AtMost
from watchtower.statistics import Statistic

USUAL = AtMost(times=1, per=timedelta(days=30))
"""The budget that a rule with a written bound is told in."""
_SHORTEST = 2
Place = tuple[str, str]
"""(segment, subject)."""


def terms_of(rule: Rule, size: timedelta) -> Terms | None:
    """What of *rule* decides when it fires; None where its condition has no bound."""
    when = rule.when
    if not isinstance(when, Bounded):
        return None
    need, budget = when.need(rule.reach(size), size), when.false_alarms or USUAL
    tested = need.measure.is_tested or need.against != "reference"
    return Terms(
        measure=need.measure,
        over=need.over,
        hold=max(1, rule.hold.in_windows(size)),
        keep=rule.keep_firing.in_windows(size),
        no_data=rule.no_data,
        below=isinstance(when, Below),
        significance=when.significance if tested else None,
        min_rows=need.min_rows,
        times=budget.times,
        period=max(1.0, budget.per / size),
        bound=when.value if not isinstance(when.value, str) else None,
    )


def need_of(rule: Rule, size: timedelta) -> Need:
    """The score that the bound of *rule* is held against."""
    return next(rule.needs(size))


def digest_of(rule: Rule, size: timedelta) -> str:
    """Changes with all of *rule* that a calibration rests on: its hold too, which is no part of the rule's own digest."""
    text = f"{rule.name}|{rule.digest()}|{terms_of(rule, size)!r}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_drawn(need: Need) -> bool:
    """Whether quiet windows of it can be drawn: a statistic of the cells, against the reference."""
    return need.against == "reference" and is_statistic(need.measure) and need.measure.name in {AUTO, *Statistic.kinds()}


def sources_of(  # noqa: PLR0913, PLR0917  what windows are drawn from
    rule: Rule, need: Need, binning: Binning, references: Mapping[tuple[str, str], Profile], live: str | None, rows: Mapping[str, Ints]
) -> dict[str, Source]:
    """What windows of the live version are drawn from, by segment that *rule* reads; *rows* are those of observed windows, by segment."""
    indexes = tuple(i for i, subject in enumerate(binning.subjects) if _is_read(rule, need.measure, subject))
    found: dict[str, Source] = {}
    for segment in sorted({segment for _, segment in references}):
        reference = references.get((live or "", segment)) or references.get(("", segment))
        seen = rows.get(segment)
        if _is_segment(rule, segment) and indexes and reference is not None and reference.binning == binning.id and seen is not None and len(seen):
            found[segment] = Source(binning, indexes, reference, seen)
    return found


def _is_read(rule: Rule, measure: MeasureName, subject: str) -> bool:
    feature = getattr(rule.when, "feature", None)
    return (subject == PREDICTION) == (measure.family == "prediction") and matches(measure.subjects if feature is None else feature, subject)


def _is_segment(rule: Rule, segment: str) -> bool:
    return segment == "" if rule.segment is None else segment != "" and matches(rule.segment, segment)


def seed_of(*parts: str) -> int:
    """The same for the same *parts*, whatever the process."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:6], "big")


def quiet(rule: Rule, need: Need, past: Iterable[PastScores], loud: Sequence[tuple[datetime, datetime]], since: datetime | None) -> tuple[Drawn, ...]:
    """The scores of the live version in stretches without a gap, a change of version or an incident (*loud*), all with the same subjects.

    Windows before *since*, the present binning's first, are left out, and so are those in which nothing has a score.
    """
    stretches: list[list[dict[Place, tuple[float, float]]]] = []
    last: PastScores | None = None
    for each in past:
        if any(begin < each.end <= end for begin, end in loud) or (since is not None and each.start < since):
            last = None
            continue
        if last is None or last.end != each.start or last.live != each.live:
            stretches.append([])
        scores = _scores(rule, need, each)
        if not all(np.isnan(value) for value, _ in scores.values()):
            stretches[-1].append(scores)
        last = each
    places = sorted({place for stretch in stretches for scores in stretch for place in scores})
    kept = [stretch for stretch in stretches if len(stretch) >= _SHORTEST]
    return tuple(_matrix(stretch, places) for stretch in kept) if places else ()


def _scores(rule: Rule, need: Need, past: PastScores) -> dict[Place, tuple[float, float]]:
    """(value, p-value) of each place that the rule reads."""
    found: dict[Place, tuple[float, float]] = {}
    feature = getattr(rule.when, "feature", None)
    glob = need.measure.subjects if feature is None else feature
    for slot, scores in past.scores.items():
        if _is_of(slot, need, past.live) and _is_segment(rule, slot.segment):
            for subject, value, p_value in zip(scores.subjects, scores.values.tolist(), scores.p_values.tolist(), strict=True):
                if matches(glob, subject):
                    found[slot.segment, subject] = value, p_value
    return found


def _is_of(slot: Slot, need: Need, live: str | None) -> bool:
    return slot.need == need and slot.version in {"", live}


def _matrix(stretch: Sequence[Mapping[Place, tuple[float, float]]], places: Sequence[Place]) -> Drawn:
    nothing = (np.nan, np.nan)
    both = np.array([[scores.get(place, nothing) for place in places] for scores in stretch], dtype=np.float64)
    return Drawn(both[:, :, 0], both[:, :, 1])
