"""Every score that rules ask for, of every version and segment of one closed window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from watchtower.core.comparing import REFERENCE, other_side, said
from watchtower.core.differing import difference
from watchtower.core.importance import weighted
from watchtower.core.label_drift import label_scores
from watchtower.core.measuring import measured
from watchtower.core.merging import empty
from watchtower.core.naming import AUTO, WEIGHTED, is_analysis, is_of_labels, is_of_model, is_statistic, statistic_of
from watchtower.nouns.binning import Binning, CategoryBins
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Board, Closed, MeasureName, Need, Over, Pair, Scores, Slot
from watchtower.statistics import Statistic

_BINARY = 2


_WITHOUT_ROWS = frozenset({"gpu", "resource", "version"})
_OF_LABELS = frozenset({"performance", "labels", "fairness"})


def score(closed: Closed, needs: frozenset[Need]) -> Board:
    """The board of *closed*: the live version first, then what else served; whoever has no score has a reason."""
    desk = _Desk(closed)
    scores: dict[Slot, Scores] = {}
    for need in sorted(needs, key=repr):
        for version, segment in desk.places(need):
            told = "" if is_of_model(need.measure) else version
            slot = Slot(told, segment, need)
            if slot not in scores:
                scores[slot] = desk.score(need, version, segment)
    return Board(closed.model, closed.window, closed.live, scores, _served(closed), closed.seen)


def _served(closed: Closed) -> dict[str, float]:
    """Each version's share of what the base window served."""
    weights = {version: each.weight for (version, segment, over), each in closed.profiles.items() if version and segment == "" and over == Over() and each.rows}
    total = sum(weights.values())
    return {version: weight / total for version, weight in sorted(weights.items())}


@dataclass(slots=True)
class _Desk:
    """One closed window while it is being scored: pairs are made once, so that statistics share what they derive from them."""

    closed: Closed
    pairs: dict[tuple[str, str, Over, str, int | None, tuple[int, ...]], Pair] = field(default_factory=dict)

    def places(self, need: Need) -> Iterator[tuple[str, str]]:
        """(version, segment) to score: the live version's whole and known segments, even when nothing came; then every other that served.

        A version that serves no more is there while its labels arrive, for what is made of labels.
        """
        closed, labels = self.closed, need.measure.family in _OF_LABELS
        keys = ((key, each.rows) for key, each in closed.profiles.items() if key[0] and key[2] == need.over)
        there = sorted((version, segment) for (version, segment, _), rows in keys if rows or labels or version == closed.live)
        live = closed.live
        if live is not None:
            frozen = closed.binning.segments if closed.binning is not None else {}
            watched = ["", *(f"{column}={value}" for column, values in frozen.items() for value in values)]
            yield from ((live, segment) for segment in dict.fromkeys([*watched, *(segment for version, segment in there if version == live)]))
        yield from ((version, segment) for version, segment in there if version != live)

    def score(self, need: Need, version: str, segment: str) -> Scores:
        """The scores of *need* at one place."""
        profile = self.closed.profiles.get((version, segment, need.over)) or empty(None)
        if is_analysis(need.measure):
            return self._analysed(need, version, segment, profile)
        if is_of_labels(need.measure):
            return label_scores(self.closed, need, (version, segment), profile)
        if not is_statistic(need.measure) and need.against != REFERENCE:
            return _enough(difference(self.closed, need, (version, segment), profile), need)
        if not is_statistic(need.measure):
            return _enough(measured(self.closed, need, (version, segment), profile, self._reference(need, version, segment)), need)
        return self._compared(need, (version, segment), profile)

    def _compared(self, need: Need, place: tuple[str, str], profile: Profile) -> Scores:
        """The scores of a statistic, or of what is made of statistics."""
        reason = self._reason(need, profile)
        subjects = self._subjects(need.measure)
        told = subjects if need.measure != WEIGHTED else ()
        if reason is not None or self.closed.binning is None:
            return Scores.none(told or ("",), reason or self.closed.reason)
        reference = self._reference(need, *place)
        if isinstance(reference, str):
            return Scores.none(told or ("",), reference)
        indexes = tuple(self.closed.binning.subjects.index(subject) for subject in subjects)
        if need.measure.name == AUTO:
            return self._automatic(need, place, (reference, profile), indexes)
        if need.measure == WEIGHTED:
            return self._weighted(need, place[0], self._automatic(need, place, (reference, profile), indexes))
        return statistic_of(need.measure).score(self._pair(need, place, (reference, profile), indexes))

    def _analysed(self, need: Need, version: str, segment: str, profile: Profile) -> Scores:
        """What the analysis child found; it looks at the live version's whole, against the reference."""
        reason = self._reason(need, profile)
        if reason is not None:
            return Scores.none(("",), reason)
        if version != self.closed.live or segment:
            return Scores.none(("",), "only the live version's whole is analysed")
        if need.against != REFERENCE:
            return Scores.none(("",), "rows are compared with those of the reference only")
        return self.closed.analysed.scores.get((need, version, segment)) or Scores.none(("",), self.closed.analysed.reason)

    def _weighted(self, need: Need, version: str, features: Scores) -> Scores:
        """The drift of the features, each as much as it matters."""
        known = self.closed.settings.importance or self.closed.analysed.importance.get(version, self.closed.analysed.reason)
        if isinstance(known, str):
            return Scores.none(("",), known)
        value, n = weighted(features, known)
        return _enough(Scores.of(("",), [(value, n)]), need)

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
        if binning is None:
            return ()
        return tuple(subject for subject in binning.subjects if binning.is_of_prediction(subject) == (measure.family == "prediction"))

    def _reference(self, need: Need, version: str, segment: str) -> Profile | str:
        """What to compare with, or the reason why there is nothing."""
        closed = self.closed
        found = other_side(closed, need, version, segment)
        if isinstance(found, str) or closed.binning is None:
            return found if isinstance(found, str) else closed.reason or "no reference"
        other = "under another binning" if found.binning else "was folded before the reference was complete"
        return found if found.binning == closed.binning.id else f"{said(need.against)} {other}"

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
            notes=tuple(automatic(_of(self.closed), index) for index in indexes),
        )


def _of(closed: Closed) -> Binning:
    if closed.binning is None:
        msg = "asked for a binning before there is one"
        raise ValueError(msg)
    return closed.binning


def automatic(binning: Binning, index: int) -> str:
    """The statistic that `drift.auto` picks: two categories or two numbers chi_square, more categories jensen_shannon, other numbers wasserstein."""
    bins = binning.bins[index]
    if isinstance(bins, CategoryBins):
        return "chi_square" if len(bins.names) <= _BINARY else "jensen_shannon"
    return "chi_square" if bins.single.tolist() == [1.0, 0.0, 1.0] else "wasserstein"


def _enough(scores: Scores, need: Need) -> Scores:
    """The scores, less those of fewer rows than a rule asks for; rates are counts of rows, and machines and ages have none: always told."""
    if need.min_rows is None or need.measure == MeasureName("traffic", "rate") or need.measure.family in _WITHOUT_ROWS:
        return scores
    few = [f"{n:,} of {need.min_rows:,} rows" if n < need.min_rows else None for n in scores.n.tolist()]
    reasons = tuple(reason or scarce for reason, scarce in zip(scores.reasons, few, strict=True))
    lacking = np.array([reason is not None for reason in reasons], dtype=bool)
    return replace(scores, values=np.where(lacking, np.nan, scores.values), p_values=np.where(lacking, np.nan, scores.p_values), reasons=reasons)
