"""merge is associative and commutative, and the empty profile is its neutral element."""

from itertools import permutations

import numpy as np
import pytest

from watchtower.core.merging import empty, merge, united, without_cells
from watchtower.nouns.batch import FeatureType
from watchtower.nouns.binning import Binning, CategoryBins
from watchtower.nouns.profile import Durations, GpuReadings, Profile
from watchtower.nouns.window import Partition, Span

BINNING = Binning("b1", ("country",), (FeatureType.CATEGORICAL,), (CategoryBins(("DE",)),), (0, 4), {})
ONE, TWO = Partition("t", 1), Partition("t", 2)


def profile(n: int, *spans: Span, latency: bool = True) -> Profile:
    durations = Durations(np.array([float(n), 0.0]), float(n), n / 4, n / 8, n) if latency else None
    return Profile(
        "b1",
        n,
        2.0 * n,
        np.array([n, 0, 1, 2]),
        np.full((1, 5), n / 2),
        np.array([[n, 1]]),
        latency=durations,
        statuses={"ok": float(n)},
        status_rows={"ok": n, f"e{n}": 1},
        instances={"pod": 1.0},
        gpu={"0": GpuReadings(1, n / 2, 8.0 * n, 8.0 * n)},
        spans=spans,
    )


def facts(it: Profile) -> object:
    latency = it.latency and (it.latency.counts.tolist(), it.latency.weight, it.latency.total, it.latency.largest, it.latency.rows)
    arrays = (it.cells.tolist(), it.moments.tolist(), it.oddities.tolist())
    return it.binning, it.rows, it.weight, arrays, latency, it.queue, it.statuses, it.status_rows, it.instances, it.gpu, it.spans


PARTS = [profile(1, Span(ONE, 5, 9)), profile(2, Span(TWO, 1, 1), latency=False), profile(4, Span(ONE, 2, 3), Span(TWO, 7, 8))]


def test_a_merge_adds_everything_up() -> None:
    both = merge(PARTS)
    assert (both.rows, both.weight, both.cells.tolist()) == (7, 14.0, [7, 0, 3, 6])
    assert both.latency is not None
    assert (both.latency.weight, both.latency.largest, both.latency.rows) == (5.0, 0.5, 5)
    assert both.status_rows == {"ok": 7, "e1": 1, "e2": 1, "e4": 1}
    assert both.gpu == {"0": GpuReadings(3, 3.5, 56.0, 32.0)}
    assert both.spans == (Span(ONE, 2, 9), Span(TWO, 1, 8))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_does_not_matter(order: tuple[int, int, int]) -> None:
    a, b, c = (PARTS[i] for i in order)
    assert facts(merge([a, b, c])) == facts(merge(PARTS)) == facts(merge([merge([a, b]), c])) == facts(merge([a, merge([b, c])]))


def test_the_empty_profile_changes_nothing() -> None:
    assert facts(merge([empty(BINNING), PARTS[0]])) == facts(PARTS[0])
    assert empty(None).binning == ""


def test_profiles_of_two_binnings_do_not_merge() -> None:
    with pytest.raises(ValueError, match="2 binnings"):
        merge([PARTS[0], without_cells(PARTS[1])])
    assert merge([without_cells(each) for each in PARTS]).rows == 7


def test_nothing_is_no_profile() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        merge([])


def test_spans_are_united_per_partition() -> None:
    assert united([Span(TWO, 3, 4), Span(ONE, 1, 2), Span(TWO, 0, 9)]) == (Span(ONE, 1, 2), Span(TWO, 0, 9))
