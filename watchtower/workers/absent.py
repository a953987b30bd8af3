"""Rows of a trial whose pictures could not be had: they are left out for every version, and said."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from watchtower.core.keeping import Kept
from watchtower.nouns.batch import Flags
from watchtower.runners._bench import Answers, Ran

Reasons = Mapping[int, str]


def in_common(ran: Mapping[str, Ran]) -> tuple[Mapping[str, Ran], Reasons, Reasons]:
    """The answers of every version to the rows that all of them could be asked, and why others, and reference rows, were left out (row -> reason).

    Versions that ran alone read the pictures each for itself, and may have missed different ones.
    """
    absent = {row: reason for each in ran.values() for row, reason in each.absent.items()}
    lacking = {row: reason for each in ran.values() for row, reason in each.absent_reference.items()}
    if not absent and not lacking:
        return ran, {}, {}
    return {version: _aligned(each, absent, lacking) for version, each in ran.items()}, absent, lacking


def without(kept: Kept, count: int, absent: Reasons, lacking: Reasons) -> Kept:
    """*kept* without those of its last *count* rows, and of its reference rows, that were left out."""
    if absent:
        stays = np.ones(kept.rows, dtype=np.bool_)
        stays[[kept.rows - count + row for row in absent]] = False
        reason = f"inputs expired: {len(absent):,} of {count:,} rows: {next(iter(absent.values()))}"
        kept = replace(
            kept,
            found=kept.found - len(absent),
            expired=reason,
            keys=kept.keys[stays],
            times=kept.times[stays],
            logged=kept.logged[stays],
            usable=kept.usable[stays],
            ids=tuple(each for each, stay in zip(kept.ids, stays.tolist(), strict=True) if stay) if kept.ids else (),
        )
    if lacking:
        labels, predictions = (None if each is None else np.delete(each, [*lacking]) for each in (kept.labels, kept.predictions))
        kept = replace(kept, labels=labels, predictions=predictions)
    return kept


def _aligned(ran: Ran, absent: Reasons, lacking: Reasons) -> Ran:
    if ran.failure:
        return ran
    answers = _only(ran.answers, ran.absent, absent)
    return replace(ran, answers=answers, reference=None if ran.reference is None else _only(ran.reference, ran.absent_reference, lacking))


def _only(answers: Answers, own: Reasons, everybodys: Reasons) -> Answers:
    """*answers* to all rows but *own*, without those of rows that *everybodys* names."""
    places = _rows(len(answers) + len(own), own)
    stays: Flags = ~np.isin(places, [*everybodys])
    if isinstance(answers, tuple):
        return tuple(each for each, stay in zip(answers, stays.tolist(), strict=True) if stay)
    return answers[stays]


def _rows(count: int, but: Reasons) -> NDArray[np.int64]:
    return np.array([row for row in range(count) if row not in but], dtype=np.int64)
