"""What moved: features, segments and cells behind an alert, and rows beyond the reference. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from watchtower.core.slicing import sliced
from watchtower.nouns.alert import Alert, AlertId, AlertState
from watchtower.nouns.attribution import Attribution, CellMoved, Moved, Outside, SegmentMoved
from watchtower.nouns.batch import Flags, Floats, Ints, NumberColumn, PredictionBatch, TextColumn
from watchtower.nouns.binning import Binning, Bins, CategoryBins, NumericBins
from watchtower.nouns.incident import Incident, Moment
from watchtower.nouns.memory import Evaluation
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, Over, Pair, Scores
from watchtower.statistics.jensen_shannon import JensenShannon

FEATURES, CELLS, IDS = 10, 5, 20
"""The most that one attribution lists."""
GROUPS = 10
"""Coarse cells that a numeric feature's fine ones are told as."""
FAMILIES = frozenset({"drift", "prediction", "quality", "performance", "estimated"})
"""Measures about values: an alert on one of them is attributed."""
_NOTES = 3
_LEAST = 50
_SURE = 0.01


class Distances:
    """How far each feature moved, by (version, segment, over) of one closed window: made once, however many alerts begin to fire in it."""

    def __init__(self, closed: Closed) -> None:
        """Of *closed*."""
        self.closed = closed
        self._made: dict[tuple[str, str, Over], Scores] = {}

    def of(self, version: str, segment: str, over: Over) -> Scores | None:
        """Of every subject of the binning; None without a reference, or rows under it."""
        binning, profile = self.closed.binning, self.closed.profiles.get((version, segment, over))
        reference = _reference(self.closed, version, segment)
        if binning is None or reference is None or profile is None or not profile.rows or profile.binning != binning.id:
            return None
        key = (version, segment, over)
        if key not in self._made:
            self._made[key] = JensenShannon().score(Pair(binning, reference, profile, tuple(range(len(binning.subjects))), _LEAST))
        return self._made[key]


def attribution(distances: Distances, version: str, segment: str, over: Over, subject: str | None, weights: Mapping[str, float]) -> Attribution:  # noqa: PLR0913, PLR0917  which score it was
    """What moved in the windows of *over* of one (version, segment), against the reference.

    *subject* is the alert's own feature, or the prediction (None or unknown: the feature that moved most), whose segments and cells are told first;
    *weights* are importances by feature, empty: all alike. Without a reference, or rows, the reason why.
    """
    closed = distances.closed
    binning, profile = closed.binning, closed.profiles.get((version, segment, over))
    reference, scores = _reference(closed, version, segment), distances.of(version, segment, over)
    if binning is None or reference is None:
        return Attribution(reason=closed.reason or "no reference")
    if profile is None or scores is None:
        return Attribution(reason="no rows under this reference")
    ranked = _ranked(scores, [i for i, each in enumerate(binning.subjects) if not binning.is_of_prediction(each)], weights)
    if subject not in binning.subjects and ranked:
        subject = ranked[0].subject
    sure = [each.subject for each in ranked[:3] if each.p_value is None or each.p_value < _SURE]
    told = list(dict.fromkeys(sure if subject is None else [subject, *sure]))
    cells = [cell for each in told if each in binning.subjects for cell in _moved_cells(binning, reference, profile, each)]
    return Attribution(
        features=tuple(ranked[:FEATURES]),
        segment=_segment(distances, version, over, subject) if segment == "" and subject is not None else None,
        cells=tuple(cells[:CELLS]),
    )


def outside(binning: Binning, batch: PredictionBatch) -> Outside:
    """The rows of *batch* with any feature beyond the reference's smallest or largest value, or of a category that the reference never had."""
    out = np.zeros(len(batch), dtype=bool)
    for name, bins in zip(binning.subjects, binning.bins, strict=True):
        column = batch.features.get(name) if binning.is_feature(name) else None
        if isinstance(bins, NumericBins) and isinstance(column, NumberColumn):
            with np.errstate(invalid="ignore"):
                out |= (column.values < bins.edges[0]) | (column.values > bins.edges[-1])
        elif isinstance(bins, CategoryBins) and bins.names and isinstance(column, TextColumn):
            out |= _unseen(bins, column)
    rows = np.flatnonzero(out)
    ids = [batch.ids[i] for i in rows[:IDS].tolist()] if batch.ids is not None else []
    return Outside(len(batch), len(rows), tuple(each for each in ids if each))


def of_version(batch: PredictionBatch, version: str) -> PredictionBatch:
    """The rows of *batch* that *version* served."""
    code = batch.versions.names.index(version) if version in batch.versions.names else -1
    return sliced(batch, np.flatnonzero(batch.versions.codes == code))


def newly_firing(evaluation: Evaluation) -> list[Alert]:
    """The alerts that began firing in this evaluation."""
    return [change.alert for change in evaluation.changes if change.alert.state is AlertState.FIRING]


def attributed(evaluation: Evaluation, found: Mapping[AlertId, Attribution]) -> Evaluation:
    """*evaluation* with each attribution on its alert, and in the incident's timeline (the first three different ones, in words)."""
    if not found:
        return evaluation
    alerts = tuple(replace(each, attribution=found.get(each.id, each.attribution)) for each in evaluation.memory.alerts)
    changes = tuple(replace(each, alert=replace(each.alert, attribution=found.get(each.alert.id))) for each in evaluation.changes)
    memory = replace(evaluation.memory, alerts=alerts)
    if memory.incident is not None:
        memory = replace(memory, incident=_noted(memory.incident, evaluation, found))
    return replace(evaluation, changes=changes, memory=memory)


def _noted(incident: Incident, evaluation: Evaluation, found: Mapping[AlertId, Attribution]) -> Incident:
    """The revision stays: the alerts themselves are news already."""
    said = {text: alert for alert, each in reversed(list(found.items())) if (text := words(each))}
    notes = [Moment(evaluation.board.window.end, "note", f"{alert}: {text}") for text, alert in reversed(list(said.items()))]
    return replace(incident, timeline=(*incident.timeline, *notes[:_NOTES]))


def words(found: Attribution) -> str:
    """One line for people: ``amount 0.31 (62 % of what moved), age 0.12 (20 %); most in country=DE (0.41); amount [120, 340): 3.1 % → 19.4 %``."""
    top = [f"{each.subject or 'prediction'} {each.value:.2g} ({each.share:.0%} of what moved)" for each in found.features[:3] if each.value > 0]
    parts = [f"most moved: {', '.join(top)}"] if top else []
    if found.segment is not None:
        parts.append(f"most in {found.segment.segment} ({found.segment.value:.2g}, n={found.segment.n:,})")
    parts += [f"{each.subject or 'prediction'} {each.cell}: {_percent(each.before)} → {_percent(each.now)}" for each in found.cells[:2]]
    if found.outside is not None and found.outside.count:
        parts.append(f"{_percent(found.outside.share)} of {found.outside.rows:,} rows beyond the reference's range or categories")
    return "; ".join(parts)


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _reference(closed: Closed, version: str, segment: str) -> Profile | None:
    return closed.references.get((version, segment)) or closed.references.get(("", segment))


def _ranked(scores: Scores, features: Sequence[int], weights: Mapping[str, float]) -> list[Moved]:
    """Those of *features* with a score, by weight x distance, largest first."""
    there = [i for i in features if scores.reasons[i] is None]
    weighted = {i: weights.get(scores.subjects[i], 0.0 if weights else 1.0) * float(scores.values[i]) for i in there}
    total = sum(weighted.values())
    moved = [
        Moved(
            subject=scores.subjects[i],
            value=float(scores.values[i]),
            p_value=None if np.isnan(scores.p_values[i]) else float(scores.p_values[i]),
            weight=weights.get(scores.subjects[i], 0.0 if weights else 1.0),
            share=weighted[i] / total if total > 0 else 0.0,
        )
        for i in there
    ]
    return sorted(moved, key=lambda each: (-each.share, -each.value, each.subject))


def _segment(distances: Distances, version: str, over: Over, subject: str) -> SegmentMoved | None:
    """Where *subject* moved most, of the segments in which that is no chance; None where there are none."""
    binning = distances.closed.binning
    if binning is None or subject not in binning.subjects:
        return None
    i = binning.subjects.index(subject)
    found: list[SegmentMoved] = []
    for its_version, segment, its_over in distances.closed.profiles:
        scores = distances.of(version, segment, over) if segment and its_version == version and its_over == over else None
        if scores is not None and scores.reasons[i] is None and (np.isnan(scores.p_values[i]) or scores.p_values[i] < _SURE):
            found.append(SegmentMoved(segment, subject, float(scores.values[i]), int(scores.n[i])))
    return max(found, key=lambda each: (each.value, each.n), default=None)


def _moved_cells(binning: Binning, reference: Profile, profile: Profile, subject: str) -> list[CellMoved]:
    """The cells whose share moved most, as many as changed by a percentage point, largest first, at most :data:`CELLS`."""
    i = binning.subjects.index(subject)
    part = slice(binning.offsets[i], binning.offsets[i + 1])
    before, now = reference.cells[part], profile.cells[part]
    rows = int(before.sum()), int(now.sum())
    if not all(rows):
        return []
    groups = list(cell_groups(binning.bins[i], before))
    moved = [CellMoved(subject, name, int(before[cells].sum()) / rows[0], int(now[cells].sum()) / rows[1]) for name, cells in groups]
    return sorted((each for each in moved if abs(each.now - each.before) >= 0.01), key=lambda each: -abs(each.now - each.before))[:CELLS]


def cell_groups(bins: Bins, mass: Ints) -> Iterator[tuple[str, Ints]]:
    """(words, cells): the cells of a subject as people tell them apart."""
    if isinstance(bins, CategoryBins):
        yield from ((name, np.array([k])) for k, name in enumerate((*bins.names, "other", "unseen", "missing")))
        return
    inside, edges = bins.inside, bins.edges
    for first, last in _runs(mass[:inside].astype(float)):
        yield _range(edges, first, last, inside), np.arange(first, last)
    yield f"below {edges[0]:.4g}", np.array([inside])
    yield f"above {edges[-1]:.4g}", np.array([inside + 1])
    yield "missing", np.array([inside + 2])


def _runs(mass: Floats) -> Iterator[tuple[int, int]]:
    """Neighbouring fine cells as up to GROUPS runs of about equal mass."""
    total = mass.sum()
    middle = (np.cumsum(mass) - mass / 2) / total if total > 0 else (np.arange(len(mass)) + 0.5) / len(mass)
    group = np.minimum((middle * GROUPS).astype(int), GROUPS - 1)
    bounds = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(mass)]
    yield from pairwise(bounds)


def _range(edges: Floats, first: int, last: int, inside: int) -> str:
    if last - first == 1 and edges[last] == np.nextafter(edges[first], np.inf):
        return f"= {edges[first]:.4g}"
    return f"[{edges[first] + 0.0:.4g}, {edges[last]:.4g}{']' if last == inside else ')'}"


def _unseen(bins: CategoryBins, column: TextColumn) -> Flags:
    known = np.array([*(name in bins.index for name in column.names), True], dtype=bool)
    return ~known[column.codes]
