"""A score outside a range."""

import pytest

from tests.conditions.boards import Score, findings
from watchtower.conditions.outside import Outside


@pytest.mark.parametrize(("score", "finding"), [(0.9, "FOUND"), (1.0, "CLEAR"), (1.5, "CLEAR"), (2.0, "CLEAR"), (2.1, "FOUND"), ("no rows", "UNKNOWN")])
def test_both_bounds_are_inside(score: Score, finding: str) -> None:
    assert findings(Outside.model_validate({"measure": "prediction.mean", "low": 1, "high": 2}), {"": score}) == {"": finding}
