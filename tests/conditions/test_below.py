"""A score below a bound."""

import pytest

from tests.conditions.boards import Score, findings
from watchtower.conditions.below import Below


@pytest.mark.parametrize(("score", "finding"), [(4.9, "FOUND"), (5.0, "CLEAR"), (5.1, "CLEAR"), ("no rows", "UNKNOWN")])
def test_only_less_than_the_bound_is_found(score: Score, finding: str) -> None:
    assert findings(Below.model_validate({"measure": "traffic.rate", "value": 5}), {"": score}) == {"": finding}
