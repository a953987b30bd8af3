"""Our opinion of each feature over some windows, and why somebody else's differs. Pure."""

import numpy as np

from watchtower.conditions._significance import adjusted
from watchtower.core.attributing import cell_groups
from watchtower.core.scoring import automatic
from watchtower.nouns.batch import FeatureType
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.report import FeatureLine, Opinion
from watchtower.nouns.score import Pair
from watchtower.statistics import Statistic

BOUND = 0.1
"""Effect from which a feature counts as drifted: 0.1 sd of distance, 0.1 of Jensen-Shannon distance, 0.1 of Cramér's V."""
SIGNIFICANCE = 0.001
_MISSING = 0.01


def features(binning: Binning, reference: Profile, profile: Profile) -> list[FeatureLine]:
    """A line a subject, the furthest first; what cannot be scored stands last."""
    kinds = [automatic(binning, i) for i in range(len(binning.subjects))]
    scores = [Statistic.member(kind)().score(Pair(binning, reference, profile, (i,))) for i, kind in enumerate(kinds)]
    corrected = adjusted(np.array([each.p_values[0] for each in scores]))
    lines = []
    for i, (subject, kind, score) in enumerate(zip(binning.subjects, kinds, scores, strict=True)):
        value = None if score.reasons[0] is not None else float(score.values[0])
        p = None if value is None or np.isnan(corrected[i]) else float(corrected[i])
        drifted = None if value is None else value > BOUND and p is not None and p < SIGNIFICANCE
        cells = _cells(binning, reference, profile, i)
        lines.append(FeatureLine(subject, kind, value, p, BOUND, int(score.n[0]), drifted, score.reasons[0] or "", cells))
    return sorted(lines, key=lambda line: (line.value is None, not line.drifted, -(line.value or 0.0), line.subject))


def _cells(binning: Binning, reference: Profile, profile: Profile, i: int) -> tuple[tuple[str, float, float], ...]:
    """The subject's coarse cells with their shares, those that are empty on both sides left out; of many categories the twenty largest."""
    part = slice(binning.offsets[i], binning.offsets[i + 1])
    before, now = reference.cells[part], profile.cells[part]
    rows = max(1, int(before.sum())), max(1, int(now.sum()))
    told = [(name, int(before[cells].sum()) / rows[0], int(now[cells].sum()) / rows[1]) for name, cells in cell_groups(binning.bins[i], before)]
    there = [each for each in told if each[1] or each[2]]
    return tuple(there if len(there) <= 20 else sorted(there, key=lambda each: -max(each[1:]))[:20])


def why(line: FeatureLine, theirs: Opinion, kind: FeatureType) -> str:
    """Why *theirs* differs from ours; "" where both say the same, or they say nothing."""
    if theirs.drifted is None or line.drifted is None or theirs.drifted == line.drifted:
        return "" if line.drifted is not None or theirs.drifted is None else f"we give no score ({line.reason}); Evidently gives one at any number of rows"
    return _they_alarm(line, theirs) if theirs.drifted else _we_alarm(line, theirs, kind)


def _they_alarm(line: FeatureLine, theirs: Opinion) -> str:
    ours = f"{line.statistic.replace('_', ' ')} {line.value:.3g}"
    sure = "no p-value" if line.p_adjusted is None else f"p {line.p_adjusted:.2g} after correction"
    if theirs.is_p_value:
        small = line.value is not None and line.value <= line.bound
        ask = "the effect is small: " + f"{ours}, at most {line.bound:g}" if small else f"it may be chance: {sure}"
        return f"Evidently calls any column with p < {theirs.threshold:g} drifted, uncorrected (a twentieth of quiet columns); {ask}"
    if line.value is not None and line.value > line.bound:
        return f"as large for us ({ours}), but it may be chance: {sure}, n={line.n:,}; Evidently's distance has no test"
    return f"Evidently's {theirs.method} is {theirs.value:.3g} on bins of its own; in the reference's cells it is {ours}, at most {line.bound:g}"


def _we_alarm(line: FeatureLine, theirs: Opinion, kind: FeatureType) -> str:
    missing = next(((before, now) for name, before, now in line.cells if name == "missing"), (0.0, 0.0))
    if abs(missing[1] - missing[0]) >= _MISSING:
        return f"Evidently drops missing values, and their share went from {missing[0]:.1%} to {missing[1]:.1%}"
    ours = f"{line.statistic.replace('_', ' ')} {line.value:.3g} with p {line.p_adjusted:.1g}"
    if theirs.is_p_value:
        return f"ours is {ours}; Evidently's {theirs.method} of {theirs.value:.2g} is not below {theirs.threshold:g}"
    unlike = "" if kind is FeatureType.NUMERIC else ", which it forms over both samples"
    return f"ours is {ours}; Evidently's {theirs.method} of {theirs.value:.3g} stays under {theirs.threshold:g}{unlike}"


def named(subject: str) -> str:
    """The column that a subject is for Evidently."""
    return "prediction" if subject == PREDICTION else subject
