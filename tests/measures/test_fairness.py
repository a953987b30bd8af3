"""Fairness."""

from dataclasses import replace

import numpy as np
import pytest

from tests.measures.views import folded, served, told, view
from watchtower.core.binning import make_binning
from watchtower.core.merging import empty
from watchtower.measures.fairness import Fairness
from watchtower.nouns.batch import Column, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.binning import Binning
from watchtower.nouns.labels import SCORE_CELLS, Labelled
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import View
from watchtower.nouns.settings import PredictionSettings, Watched

COUNTRY = TextColumn(np.array([0, 1, 2, 0], dtype=np.int32), ("DE", "FR", "IT"))


def column(positives: int, rows: int, kind: PredictionKind) -> Column:
    if kind is PredictionKind.PROBABILITY:
        return NumberColumn(np.where(np.arange(rows) < positives, 0.5, 0.4999))
    return TextColumn(np.where(np.arange(rows) < positives, 0, 1).astype(np.int32), ("yes", "no"))


def made(groups: dict[str, tuple[int, int]], kind: PredictionKind = PredictionKind.PROBABILITY, positive: str | None = None) -> View:
    """Groups of so many positive of so many rows."""
    binning = make_binning({"country": COUNTRY, "": column(2, 4, kind)}, {}, kind, ("country",))
    segments = {f"country={name}": folded(binning, {"": column(*each, kind)}, each[1]) for name, each in groups.items()}
    settings = Watched(prediction=PredictionSettings(kind=kind, positive=positive))
    return replace(whole(binning, sum(rows for _, rows in groups.values())), segments=segments, settings=settings)


def whole(binning: Binning, rows: int) -> View:
    return view(replace(empty(binning), rows=rows, weight=float(rows)), binning=binning)


@pytest.mark.parametrize(("kind", "positive"), [(PredictionKind.PROBABILITY, None), (PredictionKind.CLASS, "yes")])
def test_the_groups_furthest_apart_are_compared(kind: PredictionKind, positive: str | None) -> None:
    at = made({"DE": (60, 200), "FR": (100, 200), "other": (80, 200)}, kind, positive)
    scores = Fairness().score("demographic_parity_difference", at)
    assert told(scores) == {"country": pytest.approx(0.2)}
    assert (scores.n.tolist(), scores.more(0)["note"]) == ([600], "DE 0.3, FR 0.5")
    assert told(Fairness().score("disparate_impact_ratio", at)) == {"country": pytest.approx(0.6)}


def test_the_intervals_are_newcombes_and_the_logarithms() -> None:
    """56 of 70 and 48 of 80, two groups, so one pair: 0.0524 to 0.3339; min_rows 10 lets them in."""
    at = replace(made({"DE": (48, 80), "FR": (56, 70)}), min_rows=10)
    more = Fairness().score("demographic_parity_difference", at).more(0)
    assert more["low"] == pytest.approx(0.0524, abs=5e-5)
    assert more["high"] == pytest.approx(0.3339, abs=5e-5)
    more = Fairness().score("disparate_impact_ratio", at).more(0)
    assert 0.59 < float(more["low"]) < 0.75 < float(more["high"]) < 0.95


def test_more_groups_make_wider_intervals() -> None:
    two, three = made({"DE": (60, 200), "FR": (100, 200)}), made({"DE": (60, 200), "FR": (100, 200), "IT": (80, 200)})
    low = [float(Fairness().score("demographic_parity_difference", each).more(0)["low"]) for each in (two, three)]
    assert low[1] < low[0]


def test_equal_groups_rarely_have_a_low_bound_above_zero() -> None:
    rng = np.random.default_rng(3)
    lows = []
    for _ in range(200):
        at = made({name: (int(rng.binomial(300, 0.2)), 300) for name in "abcdef"})
        lows.append(float(Fairness().score("demographic_parity_difference", at).more(0)["low"]))
    assert np.mean(np.array(lows) > 0) <= 0.07


def test_small_groups_are_left_out_and_named() -> None:
    at = made({"DE": (60, 200), "FR": (100, 200), "IT": (99, 99)})
    scores = Fairness().score("demographic_parity_difference", at)
    assert told(scores) == {"country": pytest.approx(0.2)}
    assert scores.more(0)["note"] == "DE 0.3, FR 0.5; left out: IT (99 rows)"
    assert told(Fairness().score("demographic_parity_difference", made({"DE": (60, 200), "IT": (9, 9)}))) == {"country": "1 of 2 groups with 100 rows"}


def test_true_positive_rates_need_labels() -> None:
    at = made({"DE": (60, 200), "FR": (100, 200)})
    assert told(Fairness().score("equal_opportunity_difference", at)) == {"country": "no labels"}
    segments = {"country=DE": labelled(at, "DE", 150, 30), "country=FR": labelled(at, "FR", 120, 60)}
    scores = Fairness().score("equal_opportunity_difference", replace(at, segments=segments))
    assert told(scores) == {"country": pytest.approx(0.5 - 0.2)}
    assert scores.n.tolist() == [270]


def labelled(at: View, name: str, positives: int, found: int) -> Profile:
    """*found* of *positives* rows with a positive label have a probability of at least a half; as many labels are negative."""
    scores = np.zeros((2, SCORE_CELLS))
    scores[0, 5], scores[1, -1], scores[1, 0] = positives, found, positives - found
    it = Labelled(PredictionKind.PROBABILITY, 2 * positives, 2.0 * positives, 2.0 * positives, scores=scores)
    return replace(at.segments[f"country={name}"], labelled=it)


def test_true_positive_rates_of_classes() -> None:
    at = made({"DE": (60, 200), "FR": (100, 200)}, PredictionKind.CLASS, "yes")
    pairs = {"DE": {"yes": {"yes": 90.0, "no": 30.0}, "no": {"yes": 80.0}}, "FR": {"yes": {"yes": 60.0, "no": 60.0}, "no": {"no": 80.0}}}
    segments = {
        f"country={name}": replace(at.segments[f"country={name}"], labelled=Labelled(PredictionKind.CLASS, 200, 200.0, 200.0, pairs=each))
        for name, each in pairs.items()
    }
    assert told(Fairness().score("equal_opportunity_difference", replace(at, segments=segments))) == {"country": pytest.approx(0.25)}


def test_what_cannot_be_compared_has_a_reason() -> None:
    name = "disparate_impact_ratio"
    assert told(Fairness().score(name, made({"DE": (0, 200), "FR": (0, 200)}))) == {"country": "no positive predictions"}
    assert told(Fairness().score(name, made({"DE": (9, 200), "FR": (9, 200)}, PredictionKind.CLASS))) == {
        "country": "no positive class: set prediction.positive"
    }
    assert told(Fairness().score(name, made({"DE": (9, 200), "FR": (9, 200)}, PredictionKind.CLASS, "maybe"))) == {
        "country": "the reference has no class maybe"
    }
    assert "the whole only" in str(told(Fairness().score(name, replace(made({}), segment="country=DE", profile=served(3)))))
    assert told(Fairness().score(name, view(served(3), reason="reference: 1 of 2 windows"))) == {"": "reference: 1 of 2 windows"}
    assert told(Fairness().score(name, made({}))) == {"country": "no rows"}
