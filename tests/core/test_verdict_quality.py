"""How often a verdict is wrong: a small part of `python -m tests.benchmarks.verdicts`, which can fail."""

import pytest

from tests.benchmarks.verdicts import SETTINGS, null, once, real
from watchtower.nouns.evidence import Verdict
from watchtower.nouns.settings import EvidenceSettings

SURE = EvidenceSettings()


def test_no_candidate_that_does_not_help_is_accepted_however_often_it_is_looked_at() -> None:
    found = [null(number, SURE, 15) for number in range(45)]
    assert sum(Verdict.ACCEPT in each.found for each in found) == 0
    assert sum(Verdict.REJECT in each.found for each in found) >= 8


def test_the_simulation_sees_wrong_verdicts_where_evidence_is_not_asked_for() -> None:
    careless = EvidenceSettings(alpha=0.9, minimum_effect=0.0001)
    assert sum(Verdict.ACCEPT in null(number, careless, 10).found for number in range(24)) > 0


def test_as_many_rows_as_the_power_formula_asks_for_suffice() -> None:
    """Of 40 at least 34: with a true share of 0.95 fewer are seen once in 100 seeds, and the seeds are fixed."""
    found = [real(number, SURE, 8) for number in range(40)]
    assert sum(Verdict.ACCEPT in each.found for each in found) >= 34


@pytest.mark.parametrize("name", ["d = 0.05, 6 % discordant", "equal probabilities"])
def test_the_usual_settings_come_to_their_verdict(name: str) -> None:
    setting = next(each for each in SETTINGS if each.name == name)
    wanted = Verdict.REJECT if setting.d == 0 else Verdict.ACCEPT
    assert sum(wanted in once(number, setting, SURE) for number in range(6)) >= 5
