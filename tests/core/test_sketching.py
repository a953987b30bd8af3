"""Ids in bounded memory, against all of them."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from watchtower.core.joining import hashes_of
from watchtower.core.sketching import KEPT, IdTally, merge_ids
from watchtower.nouns.profile import Ids


def sketched(ids: list[str], batches: int = 1) -> Ids:
    tally = IdTally()
    for part in np.array_split(np.array(ids, dtype=object), batches):
        tally.add(part.tolist())
    found = tally.frozen()
    assert found is not None
    return found


def same(one: Ids | None, other: Ids) -> bool:
    return (
        one is not None
        and (one.rows, one.is_whole) == (other.rows, other.is_whole)
        and one.hashes.tolist() == other.hashes.tolist()
        and one.counts.tolist() == other.counts.tolist()
    )


def test_few_ids_are_counted_exactly() -> None:
    found = sketched(["a", "b", "a", "", "a"])
    assert (found.rows, found.is_whole, sorted(found.counts.tolist())) == (4, True, [1, 3])


def test_no_ids_are_none() -> None:
    tally = IdTally()
    tally.add(["", ""])
    assert (tally.frozen(), merge_ids([None, None])) == (None, None)


@pytest.mark.parametrize("batches", [1, 7, 60])
def test_of_many_ids_the_smallest_hashes_have_their_exact_counts(batches: int) -> None:
    rng = np.random.default_rng(batches)
    ids = [f"r-{each}" for each in rng.integers(0, 9_000, 30_000).tolist()]
    found = sketched(ids, batches)
    counts = Counter(hashes_of(ids).tolist())
    smallest = sorted(counts)[:KEPT]
    assert found.hashes.tolist() == smallest
    assert found.counts.tolist() == [counts[each] for each in smallest]
    assert (found.rows, found.is_whole) == (30_000, False)


@pytest.mark.parametrize("cuts", [(0, 100, 20_000), (0, 9_000, 18_000, 20_000), (0, 1_500, 3_000, 20_000)])
def test_merging_parts_is_sketching_the_whole_in_any_order(cuts: tuple[int, ...]) -> None:
    ids = [f"{each}" for each in np.random.default_rng(9).integers(0, 15_000, 20_000).tolist()]
    parts = [sketched(ids[start:end]) for start, end in pairwise(cuts)]
    whole = sketched(ids)
    assert same(merge_ids([None, *parts]), whole)
    assert same(merge_ids(parts[::-1]), whole)
