"""Hellinger distance."""

import math

import pytest

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.hellinger import Hellinger


def test_a_quarter_moved_between_two_halves() -> None:
    value, _ = only(Hellinger().score(pair(counts(a=500, b=500), counts(a=750, b=250))))
    assert value == pytest.approx(math.sqrt(1 - math.sqrt(0.5 * 0.75) - math.sqrt(0.5 * 0.25)))
