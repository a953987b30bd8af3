"""What a model's settings say about acting, as the line and the actions are told it."""

from datetime import timedelta
from pathlib import Path

from watchtower.assembly.standings import LEAST_VERIFY, Standings
from watchtower.config.settings import Settings


def standings(tmp_path: Path, **fraud: object) -> Standings:
    written = {"source": {"kind": "file", "path": "log.jsonl", "format": {"kind": "watchtower_json"}}, "window": {"size": "1m"}, "models": {"fraud": fraud}}
    return Standings(Settings.model_validate(written, context={"folder": str(tmp_path)}))


def test_a_model_without_a_rollback_has_no_target_and_needs_no_approval(tmp_path: Path) -> None:
    response = standings(tmp_path, healthy=["6"]).response("fraud")
    assert (response.target, response.approval_required, response.standing.healthy) == ("", False, ("6",))


def test_the_target_is_called_by_its_kind_and_approval_is_told(tmp_path: Path) -> None:
    response = standings(tmp_path, rollback={"target": {"kind": "directory", "path": "models"}, "approval": "required"}).response("fraud")
    assert (response.target, response.approval_required) == ("directory", True)


def test_a_switch_has_ten_windows_to_show_and_never_less_than_a_minute(tmp_path: Path) -> None:
    target = {"target": {"kind": "directory", "path": "models"}}
    assert standings(tmp_path, rollback=target).limits("fraud").verify_within == timedelta(minutes=10)
    assert timedelta(minutes=1) == LEAST_VERIFY
    assert standings(tmp_path, rollback=target | {"verify_within": "90s"}).limits("fraud").verify_within == timedelta(seconds=90)


def test_models_that_share_a_target_share_its_place(tmp_path: Path) -> None:
    one = {"target": {"kind": "directory", "path": "models/fraud"}}
    other = {"target": {"kind": "directory", "path": "models/churn"}}
    places = [standings(tmp_path, rollback=each).steering("fraud").place for each in (one, one, other)]
    assert places[0] == places[1] != places[2]


def test_an_unlisted_model_is_never_switched(tmp_path: Path) -> None:
    assert standings(tmp_path).steering("churn").target is None
