"""Total variation distance."""

import pytest

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.total_variation import TotalVariation


def test_it_is_the_share_of_rows_that_would_have_to_move() -> None:
    value, _ = only(TotalVariation().score(pair(counts(a=500, b=300, c=200), counts(a=700, b=200, c=100))))
    assert value == pytest.approx(0.2)
