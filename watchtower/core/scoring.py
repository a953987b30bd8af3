"""Every score that rules ask for, of every version and segment of one closed window."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from pydantic import ValidationError

from watchtower.core.merging import empty, without_cells
from watchtower.measures import Measure
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board, Closed, MeasureName, Need, Over, Pair, Scores, Slot, View
from watchtower.statistics import Statistic

AUTO = "auto"
_FAMILIES_OF_STATISTICS = ("drift", "prediction")
_BINARY = 2


# -------------------------------------------------------------------------------------------- names


def known(measure: MeasureName) -> str | None:
    """None where *measure* can be scored; else a sentence that names the nearest one that can."""
    plain = MeasureName(measure.family, measure.name)
    if str(plain) not in names():
        near = get_close_matches(str(plain), names(), 1, cutoff=0.5)
        return f"unknown measure '{measure}'" + (f" (did you mean {near[0]}?)" if near else f"; known families: {', '.join(_families())}")
    if not measure.parameters:
        return None
    if not _is_statistic(measure) or measure.name == AUTO:
        return f"measure '{plain}' takes no parameters"
    try:
        _statistic(measure)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        fields = ", ".join(Statistic.member(measure.name).model_fields) or "none"
        return f"measure '{measure}': {first['loc'][0]}: {first['msg']}; its parameters: {fields}"
    return None


def names() -> tuple[str, ...]:
    """Every measure that can be scored, without parameters."""
    statistics = [f"{family}.{kind}" for family in _FAMILIES_OF_STATISTICS for kind in Statistic.kinds()]
    return (*statistics, f"drift.{AUTO}", *(f"{family}.{name}" for family in Measure.kinds() for name in Measure.member(family).names))


def _families() -> list[str]:
    return sorted({"drift", *Measure.kinds()})


def _is_statistic(measure: MeasureName) -> bool:
    return measure.family == "drift" or (measure.family == "prediction" and measure.name in Statistic.kinds())


def _statistic(measure: MeasureName) -> Statistic:
    return Statistic.member(measure.name).model_validate(dict(measure.parameters))


# -------------------------------------------------------------------------------------------- scoring


def score(closed: Closed, needs: frozenset[Need]) -> Board:
    """The board of *closed*: the live version first, then what else served; whoever has no score has a reason."""
    desk = _Desk(closed)
    scores: dict[Slot, Scores] = {}
    for need in sorted(needs, key=repr):
        for version, segment in desk.places(need):
            told = "" if _is_of_model(need.measure) else version
            slot = Slot(told, segment, need)
            if slot not in scores:
                scores[slot] = desk.score(need, version, segment)
    return Board(closed.model, closed.window, closed.live, scores, _served(closed), closed.seen)


def _served(closed: Closed) -> dict[str, float]:
    """Each version's share of what the base window served."""
    weights = {version: each.weight for (version, segment, over), each in closed.profiles.items() if version and segment == "" and over == Over() and each.rows}
    total = sum(weights.values())
    return {version: weight / total for version, weight in sorted(weights.items())}


def _is_of_model(measure: MeasureName) -> bool:
    return measure.family in Measure.kinds() and measure.name in Measure.member(measure.family).of_model


@dataclass(slots=True)
class _Desk:
    """One closed window while it is being scored: pairs are made once, so that statistics share what they derive from them."""

    closed: Closed
    pairs: dict[tuple[str, str, Over, str, int | None, tuple[int, ...]], Pair] = field(default_factory=dict)

    def places(self, need: Need) -> Iterator[tuple[str, str]]:
        """(version, segment) to score: the live version's whole and known segments, even when nothing came; then every other that served."""
        closed, there = self.closed, sorted((version, segment) for version, segment, over in self.closed.profiles if over == need.over and version)
        live = closed.live
        if live is not None:
            frozen = closed.binning.segments if closed.binning is not None else {}
            watched = ["", *(f"{column}={value}" for column, values in frozen.items() for value in values)]
            yield from ((live, segment) for segment in dict.fromkeys([*watched, *(segment for version, segment in there if version == live)]))
        yield from ((version, segment) for version, segment in there if version != live)

    def score(self, need: Need, version: str, segment: str) -> Scores:
        """The scores of *need* at one place."""
        profile = self.closed.profiles.get((version, segment, need.over)) or empty(None)
        if not _is_statistic(need.measure):
            return _enough(self._measured(need, version, segment, profile), need)
        reason = self._reason(need, profile)
        subjects = self._subjects(need.measure)
        if reason is not None or self.closed.binning is None:
            return Scores.none(subjects or ("",), reason or self.closed.reason)
        reference = self._reference(need, version, segment)
        if isinstance(reference, str):
            return Scores.none(subjects, reference)
        indexes = tuple(self.closed.binning.subjects.index(subject) for subject in subjects)
        if need.measure.name == AUTO:
            return self._automatic(need, (version, segment), (reference, profile), indexes)
        return _statistic(need.measure).score(self._pair(need, (version, segment), (reference, profile), indexes))

    def _reason(self, need: Need, profile: Profile) -> str | None:
        """Why nothing can be compared, whatever the subject."""
        closed = self.closed
        if closed.binning is None:
            return closed.reason or "no reference"
        if closed.incomplete:
            return closed.incomplete
        if profile.rows == 0:
            return "no rows"
        if profile.binning != closed.binning.id:
            return closed.reason or ("folded before the reference was complete" if not profile.binning else "folded under another binning")
        return None if self._subjects(need.measure) else "no predictions in the reference" if need.measure.family == "prediction" else "no features"

    def _subjects(self, measure: MeasureName) -> tuple[str, ...]:
        binning = self.closed.binning
        known_ones = binning.subjects if binning is not None else ()
        return tuple(subject for subject in known_ones if (subject == PREDICTION) == (measure.family == "prediction"))

    def _reference(self, need: Need, version: str, segment: str) -> Profile | str:
        """What to compare with, or the reason why there is nothing."""
        closed = self.closed
        if need.against == "previous_version":
            found, lacking = closed.previous.get((segment, need.over)), "no previous version"
        else:
            found = closed.references.get((version, segment)) or closed.references.get(("", segment))
            lacking = closed.reason or ("no rows in the reference" if segment else "no reference")
        if found is None or closed.binning is None:
            return lacking
        return found if found.binning == closed.binning.id else f"{need.against.replace('_', ' ')} under another binning"

    def _pair(self, need: Need, place: tuple[str, str], sides: tuple[Profile, Profile], indexes: tuple[int, ...]) -> Pair:
        key = (*place, need.over, need.against, need.min_rows, indexes)
        if key not in self.pairs:
            self.pairs[key] = Pair(_of(self.closed), *sides, indexes, need.min_rows)
        return self.pairs[key]

    def _automatic(self, need: Need, place: tuple[str, str], sides: tuple[Profile, Profile], indexes: Sequence[int]) -> Scores:
        """Each subject by the statistic that suits it, in the subjects' order."""
        chosen: dict[str, list[int]] = {}
        for index in indexes:
            chosen.setdefault(automatic(_of(self.closed), index), []).append(index)
        parts = [Statistic.member(kind)().score(self._pair(need, place, sides, tuple(some))) for kind, some in chosen.items()]
        order = np.argsort([index for some in chosen.values() for index in some], kind="stable")
        reasons = [reason for part in parts for reason in part.reasons]
        return Scores(
            subjects=tuple(_of(self.closed).subjects[index] for index in indexes),
            values=np.concatenate([part.values for part in parts])[order],
            p_values=np.concatenate([part.p_values for part in parts])[order],
            n=np.concatenate([part.n for part in parts])[order],
            reasons=tuple(reasons[i] for i in order),
        )

    def _measured(self, need: Need, version: str, segment: str, profile: Profile) -> Scores:
        closed, measure = self.closed, Measure.member(need.measure.family)()
        folded = closed.binning.id if closed.binning is not None else ""
        if profile.binning not in ("", folded):
            profile = without_cells(profile)
        if closed.incomplete and need.measure.family in ("quality", "prediction"):
            return Scores.none(("",), closed.incomplete)
        windows = max(1, closed.spans.get((version, need.over), closed.spans.get(("", need.over), need.over.windows)))
        reference = self._reference(need, version, segment)
        view = View(
            model=closed.model,
            version=version,
            segment=segment,
            profile=profile,
            siblings=self._siblings(need, version, segment),
            seconds=windows * (closed.window.end - closed.window.start).total_seconds(),
            binning=closed.binning,
            reference=None if isinstance(reference, str) else reference,
            reason=closed.reason or ("folded before the reference was complete" if closed.binning is not None else "no reference"),
        )
        return self._with_zeros(measure.score(need.measure.name, view), need.measure, segment)

    def _with_zeros(self, scores: Scores, measure: MeasureName, segment: str) -> Scores:
        """A status that occurred in the last 60 windows and not in these has a share of 0: an alert on it must be able to end."""
        if measure.family != "errors" or scores.reasons[0] is not None:
            return scores
        seen = sorted(subject for name, part, subject in self.closed.seen if name == str(measure) and part == segment)
        gone = [subject for subject in seen if subject not in scores.subjects]
        found = [*zip(scores.values.tolist(), scores.n.tolist(), strict=True), *((0.0, int(scores.n[0])) for _ in gone)]
        return Scores.of((*scores.subjects, *gone), found) if gone else scores

    def _siblings(self, need: Need, version: str, segment: str) -> Mapping[str, Profile]:
        """The versions that served beside *version*; the whole model's measures read the merge over the live version's windows where there is one."""
        closed = self.closed
        whole = closed.profiles.get(("", segment, need.over))
        if whole is not None and _is_of_model(need.measure):
            return {version: whole}
        return {name: each for (name, part, over), each in closed.profiles.items() if name and part == segment and over == need.over}


def _of(closed: Closed) -> Binning:
    if closed.binning is None:
        msg = "asked for a binning before there is one"
        raise ValueError(msg)
    return closed.binning


def automatic(binning: Binning, index: int) -> str:
    """The statistic that `drift.auto` picks: two categories chi_square, more jensen_shannon, numbers wasserstein."""
    bins = binning.bins[index]
    if not isinstance(bins, CategoryBins):
        return "wasserstein"
    return "chi_square" if len(bins.names) <= _BINARY else "jensen_shannon"


def _enough(scores: Scores, need: Need) -> Scores:
    """The scores, less those of fewer rows than a rule asks for; rates are counts of rows and are always told."""
    if need.min_rows is None or need.measure == MeasureName("traffic", "rate"):
        return scores
    few = [f"{n:,} of {need.min_rows:,} rows" if n < need.min_rows else None for n in scores.n.tolist()]
    reasons = tuple(reason or scarce for reason, scarce in zip(scores.reasons, few, strict=True))
    lacking = np.array([reason is not None for reason in reasons], dtype=bool)
    return Scores(scores.subjects, np.where(lacking, np.nan, scores.values), np.where(lacking, np.nan, scores.p_values), scores.n, reasons)
