"""What predictions cost."""

from dataclasses import replace

import pytest

from tests.measures.machines import seen
from tests.measures.views import durations, served, told, view
from watchtower.measures.cost import Cost
from watchtower.nouns.profile import GpuReadings, Profile
from watchtower.nouns.score import View
from watchtower.nouns.settings import CostSettings, Watched

BUSY = replace(served(4, 400.0), compute=durations([3.0] * 4), gpu={"0": GpuReadings(4, 1.0, 0.0, 0.0)})


def priced(profile: Profile, price: float | None = 3.0) -> View:
    return replace(view(profile), settings=Watched(cost=CostSettings(device_hour=price) if price is not None else None))


def test_a_thousand_predictions_cost_the_models_share_of_the_device() -> None:
    """12 s of a device's 30 busy seconds: 0.4 of a minute at 3 an hour is 0.02, for 400 predictions 0.05 a thousand."""
    its = seen(priced(BUSY), {("gpu.utilization", "0"): (0.5,)})
    scores = Cost().score("per_thousand", its)
    assert told(scores) == {"": pytest.approx(0.05)}
    assert scores.n.tolist() == [4]


def test_what_cannot_be_known_says_why() -> None:
    assert told(Cost().score("per_thousand", priced(BUSY, None))) == {"": "no cost configured: say cost: {device_hour: …}"}
    assert told(Cost().score("per_thousand", priced(served(9)))) == {"": "no compute times logged"}
    assert told(Cost().score("per_thousand", priced(served(0)))) == {"": "no rows"}
