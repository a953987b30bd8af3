"""What every rollback target keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget, TargetSession
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.directory import Directory

Far = tuple[TargetSession, Callable[[], object]]


def directory(at: Path) -> Far:
    """A folder that names version 2, and all that can be seen of it."""
    for version in ("1", "2", "3"):
        (at / version).mkdir()
    (at / "current").symlink_to("2")
    return Directory(path=str(at)).open(), lambda: sorted((each.name, each.is_symlink() and str(each.readlink()), each.lstat().st_ino) for each in at.iterdir())


MAKERS = {"directory": directory}


@pytest.fixture(params=sorted(MAKERS))
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Far:
    return MAKERS[request.param](tmp_path)


def test_every_target_stands_in_this_suite() -> None:
    assert set(RollbackTarget.kinds()) == set(MAKERS)


def test_switching_twice_equals_once(far: Far) -> None:
    session, seen = far
    assert session.switch_to("1", expected="2").changed
    once = seen()
    again = session.switch_to("1", expected="2")
    assert (again.before, again.after, again.changed) == ("1", "1", False)
    assert seen() == once


def test_looking_changes_nothing(far: Far) -> None:
    session, seen = far
    before = seen()
    assert (session.current(), session.current()) == ("2", "2")
    assert seen() == before


def test_a_dry_run_touches_nothing_and_says_what_would_happen(far: Far) -> None:
    session, seen = far
    before = seen()
    switch = session.switch_to("1", expected="2", dry_run=True)
    assert (switch.before, switch.after, switch.dry_run) == ("2", "1", True)
    with pytest.raises(Moved):
        session.switch_to("1", expected="3", dry_run=True)
    assert seen() == before


def test_a_third_version_is_left_alone(far: Far) -> None:
    session, _ = far
    with pytest.raises(Moved):
        session.switch_to("1", expected="3")
    assert session.current() == "2"


def test_a_candidate_that_the_target_does_not_have_is_refused(far: Far) -> None:
    session, _ = far
    with pytest.raises(RollbackError):
        session.switch_to("no-such-version", expected="2")
    assert session.current() == "2"


def test_going_back_and_forth_ends_where_it_began(far: Far) -> None:
    session, _ = far
    session.switch_to("1", expected="2")
    session.switch_to("2", expected="1")
    assert session.current() == "2"
    session.close()
