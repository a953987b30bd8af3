"""Summaries of joined labels: what is counted, what is left out, and that they add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchtower.core.labelled import Met, labelled, merge_labelled, named
from watchtower.core.merging import empty, merge
from watchtower.nouns.batch import Floats, PredictionKind
from watchtower.nouns.labels import MOST_CLASSES, OTHER, SCORE_EDGES, Labelled, Values
from watchtower.store.label_packing import pack_labelled, unpack_labelled


def numbers(*values: float) -> Values:
    return Values(np.array(values, dtype=np.float64), (), np.full(len(values), -1, dtype=np.int32))


def words(*values: str) -> Values:
    names = tuple(dict.fromkeys(values))
    return Values(np.full(len(values), np.nan), names, np.array([names.index(each) for each in values], dtype=np.int32))


def met(answers: Values, labels: Values, delays: Floats | None = None, weights: Floats | None = None) -> Met:
    n = len(answers)
    return Met(answers, labels, np.zeros(n) if delays is None else delays, np.ones(n) if weights is None else weights)


def test_classes_are_compared_as_they_are_spelled() -> None:
    found = labelled(
        met(words("1", "cat", "dog"), Values(np.array([1.0, np.nan, np.nan]), ("dog",), np.array([-1, 0, 0], dtype=np.int32))), PredictionKind.CLASS
    )
    assert (found.rows, found.correct) == (3, 2.0)
    assert found.pairs == {"1": {"1": 1.0}, "dog": {"cat": 1.0, "dog": 1.0}}


def test_what_is_not_of_the_kind_is_left_out() -> None:
    assert labelled(met(numbers(0.2, 1.5, -0.1, np.nan), numbers(1, 1, 1, 1)), PredictionKind.PROBABILITY).rows == 1
    assert labelled(met(numbers(1, 2), words("3", "many")), PredictionKind.NUMBER).rows == 1
    assert labelled(met(numbers(), numbers()), PredictionKind.CLASS).rows == 0


def test_the_positive_label_counts_as_one() -> None:
    found = labelled(met(numbers(0.9, 0.9, 0.5, 0.49), words("fraud", "ok", "fraud", "ok")), PredictionKind.PROBABILITY, "fraud")
    assert found.counts is not None
    assert found.counts.tolist() == [2, 2]
    assert found.correct == 3.0
    assert named(found)["brier"] == pytest.approx(0.1**2 + 0.9**2 + 0.5**2 + 0.49**2)
    assert named(found)["log_loss"] == pytest.approx(-np.log([0.9, 0.1, 0.5, 0.51]).sum())


def test_a_half_is_an_edge_of_the_cells_of_probability() -> None:
    found = labelled(met(numbers(0.0, 0.4999999, 0.5, 1.0), numbers(0, 0, 1, 1)), PredictionKind.PROBABILITY)
    assert found.scores is not None
    assert 0.5 in SCORE_EDGES
    assert found.scores[:, :512].sum(axis=1).tolist() == [2.0, 0.0]
    assert found.scores[:, 512:].sum(axis=1).tolist() == [0.0, 2.0]


def test_classes_are_bounded_and_right_ones_are_not() -> None:
    many = [f"c{i}" for i in range(300)]
    found = labelled(met(words(*many, "c0", "c0"), words(*many, "c0", "c1")), PredictionKind.CLASS)
    assert found.correct == 301.0
    names = {*found.pairs, *(answer for row in found.pairs.values() for answer in row)}
    assert len(names - {OTHER}) == MOST_CLASSES
    assert sum(weight for row in found.pairs.values() for weight in row.values()) == 302.0
    assert {"c0", "c1"} <= names


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1), st.floats(0.5, 4)), min_size=1, max_size=40), st.integers(0, 40))
def test_the_merge_of_parts_is_the_whole(rows: list[tuple[float, int, float]], cut: int) -> None:
    p, y, w = (np.array(each, dtype=np.float64) for each in zip(*rows, strict=True))
    whole = met(numbers(*p), numbers(*y), p * 1e5, w)
    parts = [whole.at(np.arange(min(cut, len(p)))), whole.at(np.arange(min(cut, len(p)), len(p)))]
    for kind in (PredictionKind.PROBABILITY, PredictionKind.NUMBER, PredictionKind.CLASS):
        merged = merge_labelled([labelled(part, kind, None, centre=float(i)) for i, part in enumerate(parts)])
        assert merged is not None
        _same(merged, labelled(whole, kind, None, centre=merged.centre))
        _same(unpack_labelled(pack_labelled(merged)), merged)


def _same(one: Labelled, other: Labelled) -> None:
    assert (one.kind, one.rows, one.settled_rows) == (other.kind, other.rows, other.settled_rows)
    assert (one.weight, one.weight2, one.correct) == pytest.approx((other.weight, other.weight2, other.correct))
    assert {label: pytest.approx(row) for label, row in other.pairs.items()} == one.pairs
    for name in ("scores", "counts", "calibration", "sums", "delays"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None)
        assert mine is None or np.allclose(mine, theirs, rtol=1e-9, atol=1e-9)


def test_profiles_carry_labels_through_their_merge() -> None:
    found = labelled(met(words("a"), words("a")), PredictionKind.CLASS)
    bare, with_labels = empty(None), Labelled(PredictionKind.CLASS)
    assert merge([bare, bare]).labelled is None
    merged = merge_labelled([None, found, None, with_labels, found])
    assert merged is not None
    assert merged.rows == 2
