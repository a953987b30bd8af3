"""Errors."""

from dataclasses import replace

from tests.measures.views import served, told, view
from watchtower.measures.errors import Errors


def test_every_status_but_ok_is_an_error_and_each_has_its_share() -> None:
    profile = replace(served(100, 200.0), statuses={"ok": 150.0, "timeout": 20.0, "error": 30.0})
    scores = Errors().score("share", view(profile))
    assert told(scores) == {"": 0.25, "error": 0.15, "timeout": 0.1}
    assert scores.n.tolist() == [100, 100, 100]


def test_no_errors_is_zero_and_no_rows_a_reason() -> None:
    assert told(Errors().score("share", view(replace(served(5), statuses={"ok": 5.0})))) == {"": 0.0}
    assert told(Errors().score("share", view(served(0)))) == {"": "no rows"}
