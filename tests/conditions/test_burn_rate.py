"""An error budget that is burnt too fast."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.conditions.boards import WINDOW, Score, scores
from watchtower.conditions._reading import Reading
from watchtower.conditions.burn_rate import BurnRate
from watchtower.nouns.alert import Outcome
from watchtower.nouns.score import Board, MeasureName, Need, Over, Slot

MINUTE = timedelta(minutes=1)


def burn_rate(**keys: object) -> BurnRate:
    return BurnRate.model_validate({"measure": "errors.share", "objective": 0.99, "long": "1h", "short": "5m", "factor": 10} | keys)


def said(long: Score, short: Score, **keys: object) -> Outcome:
    condition = burn_rate(**keys)
    of = MeasureName.parse(str(condition.measure))
    board = Board(
        "fraud", WINDOW, "7", {Slot("7", "", Need(of, Over(60))): scores({"": long, "timeout": 0.0}), Slot("7", "", Need(of, Over(5))): scores({"": short})}
    )
    (outcome,) = condition.check(Reading(board))
    return outcome


@pytest.mark.parametrize(
    ("long", "short", "finding", "rate"),
    [
        (0.12, 0.2, "FOUND", 12.0),  # 0.12 / 0.01, the smaller of the two
        (0.101, 0.101, "FOUND", 10.1),
        (0.12, 0.05, "CLEAR", 5.0),  # it is over already
        (0.05, 0.5, "CLEAR", 5.0),  # it has not lasted
    ],
)
def test_both_stretches_must_burn_at_the_factor(long: float, short: float, finding: str, rate: float) -> None:
    outcome = said(long, short)
    assert (outcome.finding.name, outcome.subject) == (finding, "")
    assert outcome.value == pytest.approx(rate)


def test_of_a_share_of_good_one_less_it_is_the_bad() -> None:
    assert said(0.85, 0.8, measure="performance.accuracy", feature="").value == pytest.approx(15.0)


@pytest.mark.parametrize(("long", "short"), [("no rows", 0.5), (0.5, "no rows")])
def test_without_one_of_the_scores_it_is_unknown(long: Score, short: Score) -> None:
    outcome = said(long, short)
    assert (outcome.finding.name, outcome.reason) == ("UNKNOWN", "no rows")


def test_it_asks_for_both_stretches_whatever_the_rule_merges() -> None:
    assert [need.over for need in burn_rate().needs(Over(3), MINUTE)] == [Over(60), Over(5)]


@pytest.mark.parametrize("keys", [{"measure": "latency.p99"}, {"objective": 1.0}, {"factor": 0}, {"long": "often"}])
def test_what_is_no_share_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        burn_rate(**keys)
