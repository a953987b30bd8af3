"""A score that ought to be there."""

import pytest

from tests.conditions.boards import Score, findings
from watchtower.conditions.absent import Absent

SEEN = frozenset({("drift.psi", "", "amount"), ("traffic.rate", "", "")})


@pytest.mark.parametrize(
    ("measure", "subject", "score", "finding"),
    [
        ("drift.psi", "amount", "no rows", "FOUND"),
        ("drift.psi", "amount", (0.1, 0.5), "CLEAR"),
        ("drift.psi", "new", "no rows", "UNKNOWN"),  # it never had a score
        ("drift.psi", "amount", (0.0, 1.0), "CLEAR"),  # 0 is a score
        ("traffic.rate", "", 0.0, "FOUND"),  # but for traffic 0 is absence
        ("traffic.rate", "", 3.0, "CLEAR"),
    ],
)
def test_it_is_found_where_there_was_one_before(measure: str, subject: str, score: Score, finding: str) -> None:
    assert findings(Absent.model_validate({"measure": measure}), {subject: score}, seen=SEEN) == {subject: finding}
