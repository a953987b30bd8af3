"""What every rollback target keeps. Their far ends stand in tests/rollback_targets/far_end_<kind>.py; far_ends.py says how to add one."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.rollback_targets.far_ends import SECRET, FarEnd, makers
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget, TargetSession
from watchtower.rollback_targets._errors import Moved

MAKERS = makers()


@pytest.fixture(params=sorted(MAKERS))
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarEnd]:
    (tmp_path / "far").mkdir()
    with MAKERS[request.param](tmp_path / "far", request) as made:
        yield made


@pytest.fixture
def session(far: FarEnd) -> Iterator[TargetSession]:
    with closing(far.target.open_for("fraud")) as opened:
        yield opened


def test_every_target_stands_in_this_suite() -> None:
    assert set(RollbackTarget.kinds()) == set(MAKERS)


def test_switching_changes_what_it_names_and_says_what_it_named(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    switch = session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1")
    assert (switch.before, switch.after, switch.changed, switch.dry_run) == (far.names("2"), far.names("1"), True, False)
    assert session.current() == far.names("1")
    assert far.seen() != before


def test_switching_twice_equals_once(far: FarEnd, session: TargetSession) -> None:
    assert session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1").changed
    once = far.seen()
    again = session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1")
    assert (again.before, again.after, again.changed) == (far.names("1"), far.names("1"), False)
    assert far.seen() == once


def test_after_a_kill_between_call_and_record_the_same_call_acts_once(far: FarEnd, session: TargetSession) -> None:
    token = session.state().token
    session.switch_to(far.names("1"), expected=far.names("2"), token=token, key="plan-1")
    once = far.seen()
    with closing(far.target.open_for("fraud")) as restarted:
        again = restarted.switch_to(far.names("1"), expected=far.names("2"), token=token, key="plan-1")
    assert (again.before, again.after, again.changed) == (far.names("1"), far.names("1"), False)
    assert far.seen() == once


def test_looking_changes_nothing(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    assert (session.current(), session.current()) == (far.names("2"), far.names("2"))
    first, second = session.state(), session.state()
    assert first == second
    assert first.version == far.names("2")
    assert far.seen() == before


def test_being_ready_touches_nothing(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    assert list(session.ready(far.names("1"))) == []
    assert far.seen() == before


def test_what_is_not_there_is_not_ready(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    assert list(session.ready(far.names("no-such-version"))) != []
    assert far.seen() == before


def test_a_dry_run_touches_nothing_and_says_what_would_happen(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    switch = session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1", dry_run=True)
    assert (switch.before, switch.after, switch.changed, switch.dry_run) == (far.names("2"), far.names("1"), True, True)
    with pytest.raises(Moved):
        session.switch_to(far.names("1"), expected=far.names("3"), dry_run=True)
    assert far.seen() == before


def test_a_switch_after_a_dry_run_with_the_same_key_still_switches(far: FarEnd, session: TargetSession) -> None:
    session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1", dry_run=True)
    assert session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1").changed
    assert session.current() == far.names("1")


def test_a_third_version_is_left_alone(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    with pytest.raises(Moved):
        session.switch_to(far.names("1"), expected=far.names("3"))
    assert far.seen() == before
    far.move()
    with pytest.raises(Moved):
        session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1")
    assert session.current() == far.names("3")


def test_the_state_as_it_was_read_can_be_switched(far: FarEnd, session: TargetSession) -> None:
    assert session.switch_to(far.names("1"), expected=far.names("2"), token=session.state().token, key="plan-1").changed


def test_somebody_who_went_away_and_came_back_is_seen(far: FarEnd, session: TargetSession) -> None:
    if far.touch is None:
        assert session.state().token == ""
        return
    token = session.state().token
    assert token
    far.touch()
    before = far.seen()
    with pytest.raises(Moved):
        session.switch_to(far.names("1"), expected=far.names("2"), token=token, key="plan-1")
    assert (session.current(), far.seen()) == (far.names("2"), before)


def test_a_candidate_that_the_target_does_not_have_is_refused(far: FarEnd, session: TargetSession) -> None:
    with pytest.raises(RollbackError):
        session.switch_to(far.names("no-such-version"), expected=far.names("2"), key="plan-1")
    assert session.current() == far.names("2")


def test_a_name_that_was_written_to_do_harm_is_refused(far: FarEnd, session: TargetSession) -> None:
    before = far.seen()
    for name in ("../1", "1/../1", "..", "-rf", "--force", "1 --force", "1;2", "$(touch x)", "1\n", "1\0", "", "٣", "模" * 200, "1" * 5_000):
        for dry_run in (True, False):
            with pytest.raises(RollbackError):
                session.switch_to(name, expected=far.names("2"), key="plan-1", dry_run=dry_run)
        assert list(session.ready(name)) != []
    assert (session.current(), far.seen()) == (far.names("2"), before)


def test_going_back_and_forth_ends_where_it_began(far: FarEnd, session: TargetSession) -> None:
    session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1")
    session.switch_to(far.names("2"), expected=far.names("1"), key="plan-2")
    assert session.current() == far.names("2")


def test_what_is_kept_of_a_state_and_a_switch_is_plain_json(far: FarEnd, session: TargetSession) -> None:
    state = session.state()
    switch = session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1")
    assert json.loads(json.dumps([state.detail, switch.detail])) == [state.detail, switch.detail]


def test_secrets_show_in_no_repr_error_log_or_audit(
    far: FarEnd, session: TargetSession, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = [repr(far.target), str(far.target), far.target.model_dump_json(), repr(session), repr(vars(session)), *far.target.cautions()]
    shown += [session.state(), session.switch_to(far.names("1"), expected=far.names("2"), key="plan-1"), *session.ready(far.names("no-such-version"))]
    if far.fail is not None:
        far.fail()
        shown += [*session.ready(far.names("2")), *refusals(far, session)]
    assert SECRET not in "".join(map(repr, shown)) + caplog.text + "".join(capfd.readouterr())
    assert far.secrets is (SECRET in "".join(revealed(far.target)))


def refusals(far: FarEnd, session: TargetSession) -> list[str]:
    """What is said where everything is refused, by whichever call."""
    with pytest.raises(RollbackError) as unread:
        session.current()
    with pytest.raises(RollbackError) as unswitched:
        session.switch_to(far.names("2"), expected=far.names("1"), key="plan-2")
    return [f"{each.value!r} {each.value} {each.value.__cause__!r}" for each in (unread, unswitched)]


def revealed(target: RollbackTarget) -> Iterator[str]:
    """Secrets among the settings, their files' texts too."""
    for value in dict(target).values():
        for each in value.values() if isinstance(value, dict) else [value]:
            secret = getattr(each, "get_secret_value", None)
            if secret is not None:
                yield secret()
            elif isinstance(each, str) and each and Path(each).is_file():
                yield Path(each).read_text()
