"""Jensen-Shannon distance."""

import pytest
from scipy.spatial.distance import jensenshannon

from tests.statistics.pairs import counts, only, pair
from watchtower.statistics.jensen_shannon import JensenShannon


def test_it_is_scipys_with_base_two() -> None:
    value, _ = only(JensenShannon().score(pair(counts(a=500, b=300, c=200), counts(a=100, b=100, c=300))))
    assert value == pytest.approx(float(jensenshannon([0.5, 0.3, 0.2], [0.2, 0.2, 0.6], base=2)))


def test_nothing_in_common_is_one() -> None:
    value, _ = only(JensenShannon().score(pair(counts(a=500), counts(z=500))))
    assert value == pytest.approx(1.0)
