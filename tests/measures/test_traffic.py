"""Traffic."""

from dataclasses import replace

from tests.measures.views import served, told, view
from watchtower.measures.traffic import Traffic


def test_the_rate_is_the_whole_models_weighted_by_sampling() -> None:
    one, other = served(30, 120.0), served(60)
    scores = Traffic().score("rate", view(one, siblings={"1": one, "2": other}))
    assert told(scores) == {"": 3.0}
    assert scores.n.tolist() == [90]


def test_an_empty_window_has_the_rate_zero() -> None:
    assert told(Traffic().score("rate", view(served(0), siblings={}))) == {"": 0.0}


def test_the_share_is_the_versions() -> None:
    one, other = served(30), served(90)
    assert told(Traffic().score("share", view(one, siblings={"1": one, "2": other}))) == {"": 0.25}
    assert told(Traffic().score("share", view(served(0), siblings={}))) == {"": "no rows"}


def test_imbalance_is_how_far_the_busiest_instance_is_above_the_mean() -> None:
    assert told(Traffic().score("imbalance", view(replace(served(80), instances={"a": 60.0, "b": 20.0})))) == {"": 0.5}
    assert told(Traffic().score("imbalance", view(replace(served(80), instances={"a": 40.0, "b": 40.0})))) == {"": 0.0}
    assert told(Traffic().score("imbalance", view(served(80)))) == {"": "no instances logged"}
