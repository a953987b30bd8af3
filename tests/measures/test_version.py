"""The version itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.measures.views import served, told, view
from watchtower.measures.version import Version

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_age_is_from_its_first_window_to_the_end_of_this_one() -> None:
    assert told(Version().score("age", replace(view(served(9)), began=TEN, end=TEN + timedelta(hours=1)))) == {"": 3600.0}


def test_a_version_of_unknown_beginning_has_no_age() -> None:
    assert told(Version().score("age", replace(view(served(9)), end=TEN))) == {"": "not known when it served first"}


def test_rollback_ready_is_what_the_last_drill_found_of_the_whole_model() -> None:
    assert told(Version().score("rollback_ready", replace(view(served(9)), rollback_ready=1.0))) == {"": 1.0}
    assert told(Version().score("rollback_ready", replace(view(served(9)), rollback_ready=0.0))) == {"": 0.0}
    assert told(Version().score("rollback_ready", view(served(9)))) == {"": "no drill yet"}
    assert told(Version().score("rollback_ready", replace(view(served(9)), segment="country=DE", rollback_ready=1.0))) == {
        "": "a model is gone back with as a whole"
    }
