"""Errors."""

from dataclasses import replace

import pytest

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


def test_the_interval_is_wilsons_of_logged_rows() -> None:
    """10 of 100 (each standing for two): Wilson's interval is 0.0552 to 0.1744."""
    profile = replace(served(100, 200.0), statuses={"ok": 180.0, "error": 20.0})
    assert Errors().score("share", view(profile)).more(0) == {"low": pytest.approx(0.0552, abs=5e-5), "high": pytest.approx(0.1744, abs=5e-5)}
