"""How many features are new, gone, or of another type."""

from collections.abc import Iterator
from dataclasses import replace

from watchtower.nouns.binning import Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Scores

ACCIDENT = 1e-6
"""A feature without any value is gone where the reference's missing share makes this less likely than this."""
_NAMED = 10


def schema_changes(binning: Binning, profile: Profile, reference: Profile | None) -> Scores:
    """The number, subject ""; a note names the first of them. *profile* has rows, folded under *binning*."""
    new = [f"new: {name}" for name in profile.unknown if name not in binning.subjects]
    changed = [*new, *_changed(binning, profile, reference)]
    note = ", ".join(changed[:_NAMED]) + (f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
    return replace(Scores.one(float(len(changed)), profile.rows), notes=(note,))


def _changed(binning: Binning, profile: Profile, reference: Profile | None) -> Iterator[str]:
    for i, subject in enumerate(binning.subjects):
        if not binning.is_feature(subject):
            continue
        misfits, there = _misfits(binning, profile, i)
        before = (0, 0) if reference is None else _misfits(binning, reference, i)
        if misfits > there and before[0] <= before[1]:
            yield f"another type: {subject}"
        elif misfits + there == 0 and reference is not None and _was_expected(before[1], _rows(binning, reference, i), profile.rows):
            yield f"gone: {subject}"


def _misfits(binning: Binning, profile: Profile, i: int) -> tuple[int, int]:
    """Type errors, and rows with a value that fits."""
    cells = profile.cells[binning.offsets[i] : binning.offsets[i + 1]]
    return int(profile.oddities[i, 0]), int(cells[:-1].sum())


def _rows(binning: Binning, profile: Profile, i: int) -> int:
    """Rows that are in the subject's cells; what a version's own file lacks has the cells of the model's reference, which has other rows."""
    return int(profile.cells[binning.offsets[i] : binning.offsets[i + 1]].sum())


def _was_expected(there: int, rows: int, now: int) -> bool:
    """Whether *now* rows without a value are no accident where *there* of *rows* had one."""
    return bool(there > 0 and rows > 0 and (1 - there / rows) ** now < ACCIDENT)
