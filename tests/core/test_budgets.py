"""What a calibration is made from."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pytest

from watchtower.core import budgets
from watchtower.core.remembering import PastScores
from watchtower.core.rules import Rule, RuleBook, auto
from watchtower.nouns.score import Over, Scores, Slot
from watchtower.nouns.window import EPOCH

MINUTE = timedelta(minutes=1)


def rule(when: Mapping[str, object], **keys: object) -> Rule:
    return Rule.model_validate({"name": "R", "model": "*", "when": when, **keys})


AUTO = rule({"kind": "above", "measure": "drift.psi", "value": "auto", "false_alarms": "2 per 1d"}, over="5 windows", hold="3 windows", keep_firing="4m")
NEED = budgets.need_of(AUTO, MINUTE)


def at(n: int) -> datetime:
    return EPOCH + n * MINUTE


def past(n: int, scores: dict[str, float], live: str = "7", version: str = "7") -> PastScores:
    found = Scores.of(tuple(scores), [(value, 500) for value in scores.values()])
    return PastScores(at(n), at(n + 1), live, {Slot(version, "", NEED): found})


def shapes(*windows: PastScores, loud: tuple[tuple[datetime, datetime], ...] = (), since: datetime | None = None) -> list[tuple[int, ...]]:
    return [each.values.shape for each in budgets.quiet(AUTO, NEED, windows, loud, since)]


def test_terms_are_the_rules_in_windows() -> None:
    terms = budgets.terms_of(AUTO, MINUTE)
    assert terms is not None
    assert (terms.over, terms.hold, terms.keep, terms.times, terms.period) == (Over(5), 3, 4, 2, 1_440)
    assert (terms.significance, terms.below, terms.bound) == (0.001, False, None)
    written = budgets.terms_of(rule({"kind": "below", "measure": "traffic.rate", "value": 3}), MINUTE)
    assert written is not None
    assert (written.significance, written.below, written.bound, written.period) == (None, True, 3.0, 43_200)
    assert budgets.terms_of(rule({"kind": "absent", "measure": "traffic.rate"}), MINUTE) is None


@pytest.mark.parametrize(
    ("when", "drawn"),
    [
        ({"measure": "drift.psi"}, True),
        ({"measure": "drift.auto"}, True),
        ({"measure": "prediction.wasserstein"}, True),
        ({"measure": "drift.psi", "relative_to": "previous_window"}, False),
        ({"measure": "drift.energy"}, False),
        ({"measure": "latency.p99"}, False),
        ({"measure": "prediction.mean"}, False),
    ],
)
def test_statistics_of_cells_against_the_reference_are_drawn(when: dict[str, object], *, drawn: bool) -> None:
    assert budgets.is_drawn(budgets.need_of(rule({"kind": "above", "value": 1, **when}), MINUTE)) is drawn


def test_quiet_stretches_end_at_gaps_changes_and_incidents() -> None:
    one = {"a": 0.1, "b": 0.2}
    windows = [past(n, one) for n in range(10)]
    assert shapes(*windows) == [(10, 2)]
    assert shapes(*windows[:4], *windows[5:]) == [(4, 2), (5, 2)]
    assert shapes(*windows[:3], *(past(n, one, live="8", version="8") for n in range(3, 6))) == [(3, 2), (3, 2)]
    assert shapes(*windows, loud=((at(4), at(6)),)) == [(4, 2), (4, 2)]  # the windows that end after 4 and up to 6
    assert shapes(*windows, since=at(7)) == [(3, 2)]
    assert shapes(windows[0]) == []  # one window is no stretch
    assert shapes(*windows[:2], past(2, {"a": np.nan, "b": np.nan}), *windows[3:5]) == [(4, 2)]  # without a score it is no quiet window, and no gap


def test_all_stretches_have_the_same_subjects() -> None:
    first, second = budgets.quiet(AUTO, NEED, [past(0, {"a": 0.1}), past(1, {"a": 0.2}), past(5, {"b": 0.3}), past(6, {"b": 0.4})], (), None)
    assert first.values == pytest.approx(np.array([[0.1, np.nan], [0.2, np.nan]]), nan_ok=True)
    assert second.values == pytest.approx(np.array([[np.nan, 0.3], [np.nan, 0.4]]), nan_ok=True)


def test_scores_of_other_versions_are_not_its_history() -> None:
    assert shapes(past(0, {"a": 0.1}, version="6"), past(1, {"a": 0.1}, version="6")) == []


def test_a_bound_takes_its_place_and_the_rule_stays_the_same_one() -> None:
    book = RuleBook((AUTO,), MINUTE)
    bounded = book.bounded({"R": 0.25}, {})
    (filled,) = bounded.rules
    assert auto(AUTO) is not None
    assert auto(filled) is None
    assert getattr(filled.when, "value", None) == 0.25
    assert filled.digest() != AUTO.digest()
    assert bounded.digest_of(filled) == book.digest_of(AUTO) == AUTO.digest()
    assert list(bounded.needs("fraud")) == list(book.needs("fraud"))


def test_a_rule_that_compares_as_its_models_settings_say_is_the_same_before_and_after() -> None:
    book = RuleBook((AUTO,), MINUTE, relative_to={"fraud": "1d"})
    (before,) = book.of("fraud")
    (after,) = book.bounded({"R": 0.25}, {}).of("fraud")
    assert budgets.need_of(after, MINUTE).against == "1d"
    assert book.bounded({"R": 0.25}, {}).digest_of(after) == before.digest() != AUTO.digest()


def test_an_edit_of_hold_makes_it_another_calibration_and_no_other_rule() -> None:
    held = AUTO.model_copy(update={"hold": AUTO.keep_firing})
    assert held.digest() == AUTO.digest()
    assert budgets.digest_of(held, MINUTE) != budgets.digest_of(AUTO, MINUTE)
    assert budgets.digest_of(AUTO.model_copy(update={"name": "Other"}), MINUTE) != budgets.digest_of(AUTO, MINUTE)
