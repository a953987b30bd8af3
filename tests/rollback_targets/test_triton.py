"""The triton target: what it loads, what it keeps, and what it puts right."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.rollback_targets import far_end_triton
from tests.rollback_targets.far_end_triton import CONFIG, Served
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import Switch, triton
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.triton import Triton, TritonSession


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton, "_PAUSE", 0.02)


@pytest.fixture
def server() -> Iterator[far_end_triton.Triton]:
    made = far_end_triton.Triton().start(2)
    with Served(made):
        yield made


def session(server: far_end_triton.Triton, **more: Any) -> TritonSession:
    return Triton.model_validate({"url": f"{server.url}/", "time_limit": "2s", **more}).open_for("fraud")


def specific(*versions: int) -> dict[str, Any]:
    return {**CONFIG, "version_policy": {"specific": {"versions": list(versions)}}}


def test_it_loads_the_candidate_alone_and_keeps_every_other_field(server: far_end_triton.Triton) -> None:
    switch = session(server).switch_to("1", expected="2", key="plan-7")
    assert switch == Switch("2", "1", changed=True)
    assert server.loads == [specific(1)]
    assert server.shown() == [(1, ["READY", ""]), (2, ["UNAVAILABLE", "unloaded"])]
    assert switch.detail == {"model": "fraud", "versions": ["1"], "ready_before": ["2"]}


def test_the_undo_of_the_undo_is_kept(server: far_end_triton.Triton) -> None:
    state = session(server).state()
    assert state.detail == {"model": "fraud", "index": [{"version": "2", "state": "READY", "reason": ""}], "config": CONFIG}


def test_parameters_that_are_named_like_secrets_are_not_kept() -> None:
    parameters = {"api_token": {"string_value": "t0ken"}, "PASSWORD": {"string_value": "pw"}, "threads": {"string_value": "2"}}
    server = far_end_triton.Triton().start(2, config={**CONFIG, "parameters": parameters})
    with Served(server):
        opened = session(server)
        kept = opened.state().detail["config"]
        opened.switch_to("1", expected="2")
    assert isinstance(kept, dict)
    assert kept["parameters"] == {"api_token": "(hidden)", "PASSWORD": "(hidden)", "threads": {"string_value": "2"}}
    assert server.loads[0]["parameters"] == parameters


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_control_modes_that_refuse_loading_are_told(server: far_end_triton.Triton, mode: str) -> None:
    server.mode = mode
    why = "explicit model load / unload is not allowed if polling is enabled"
    with pytest.raises(RollbackError, match=f"lets nobody load models \\({why}\\): it must run with --model-control-mode=explicit"):
        session(server).switch_to("1", expected="2")
    assert "--model-control-mode=explicit" in session(server).ready("1")[0]
    assert server.ready() == [2]


def test_whether_loading_is_allowed_is_tried_without_loading_anything(server: far_end_triton.Triton) -> None:
    assert list(session(server).ready("1")) == []
    assert server.loads == []


def test_a_restricted_api_needs_its_header(server: far_end_triton.Triton) -> None:
    server.restricted = ("admin-key", "s3cret")
    with pytest.raises(RollbackError, match="answered 403: This API is restricted, expecting header 'admin-key'"):
        session(server).current()
    assert session(server, headers={"admin-key": "s3cret"}).switch_to("1", expected="2").changed


def test_a_version_that_does_not_load_leaves_the_old_one_serving(server: far_end_triton.Triton) -> None:
    server.bad[1] = "Internal: failed to load model.onnx: Protobuf parsing failed."
    with pytest.raises(RollbackError, match=r"could not load fraud 1: .*Protobuf parsing failed.*; 2 still serves") as failed:
        session(server).switch_to("1", expected="2")
    assert not isinstance(failed.value, Moved)
    assert (server.ready(), len(server.loads)) == ([2], 1)
    ready = session(server).ready("1")
    assert ready == ["version 1 could not be loaded the last time: Internal: failed to load model.onnx: Protobuf parsing failed."]


def test_a_version_without_a_folder_leaves_the_old_one_serving(server: far_end_triton.Triton) -> None:
    with pytest.raises(RollbackError, match="could not load fraud 9: .*at least one version must be available.*; 2 still serves".replace(".*", "[^;]*")):
        session(server).switch_to("9", expected="2")
    assert server.ready() == [2]


def test_where_the_old_one_is_lost_it_is_loaded_again_by_its_own_configuration(server: far_end_triton.Triton) -> None:
    server.bad[1], server.loses = "it is an ensemble's part", True
    with pytest.raises(RollbackError, match=r"could not load fraud 1: [^;]*;[^;]*; 2 was unloaded meanwhile, and was loaded again"):
        session(server).switch_to("1", expected="2")
    assert server.loads == [specific(1), specific(2)]
    assert server.ready() == [2]


def test_where_that_fails_too_it_says_that_nothing_serves(server: far_end_triton.Triton) -> None:
    server.bad, server.loses = {1: "broken", 2: "broken too"}, True
    with pytest.raises(RollbackError, match="2 does not serve any more, and loading it again failed .*: it serves nothing".replace(".*", ".+")):
        session(server).switch_to("1", expected="2")


def test_several_ready_versions_are_unclear() -> None:
    server = far_end_triton.Triton().start(2, 3, config={**CONFIG, "version_policy": {"all": {}}})
    with Served(server):
        for ask in (session(server).current, session(server).state, lambda: session(server).switch_to("1", expected="3")):
            with pytest.raises(RollbackError, match="serves versions 2, 3 of fraud: which one is live is unclear; say several: latest"):
                ask()
    assert server.loads == []


def test_of_several_the_largest_is_live_where_the_settings_say_so() -> None:
    server = far_end_triton.Triton().start(1, 2, 3, config={**CONFIG, "version_policy": {"all": {}}})
    with Served(server):
        opened = session(server, several="latest")
        assert opened.current() == "3"
        assert opened.switch_to("2", expected="3").detail["versions"] == ["1", "2"]
        assert (opened.current(), server.ready()) == ("2", [1, 2])


def test_a_load_that_went_well_without_the_candidate_is_put_right() -> None:
    """Triton skips a version whose folder is gone where the policy names others too, and calls that a success."""
    server = far_end_triton.Triton(versions={1, 3}).start(1, 3, config={**CONFIG, "version_policy": {"all": {}}})
    with Served(server), pytest.raises(RollbackError, match="could not load fraud 2: .*it serves 1; 1, 3 was unloaded meanwhile".replace(".*", "[^;]*")):
        session(server, several="latest").switch_to("2", expected="3")
    assert server.loads == [specific(1, 2), specific(1, 3)]
    assert server.ready() == [1, 3]


def test_a_lost_answer_to_a_load_that_happened_is_a_switch(server: far_end_triton.Triton) -> None:
    server.mute = True
    assert session(server).switch_to("1", expected="2").after == "1"
    assert len(server.loads) == 1


def test_a_load_that_takes_longer_than_the_limit_is_told_and_not_repeated(server: far_end_triton.Triton) -> None:
    server.slow = 1.0
    with pytest.raises(RollbackError, match="gave no answer to loading fraud 1 .*timed out.*: it may still be loading; it serves 2".replace(".*", ".+")):
        session(server, time_limit="300ms").switch_to("1", expected="2")
    deadline = time.monotonic() + 5
    while server.ready() != [1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert session(server).switch_to("1", expected="2") == Switch("1", "1", changed=False)
    assert len(server.loads) == 1


def test_a_load_of_somebody_else_that_is_under_way_is_left_alone(server: far_end_triton.Triton) -> None:
    server.rows[3] = ["LOADING", ""]
    with pytest.raises(Moved, match="is being loaded with version 3 by somebody else"):
        session(server).switch_to("1", expected="2")
    assert server.loads == []


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({1: ["READY", ""], 2: ["UNAVAILABLE", "unloaded"]}, None),
        ({1: ["UNAVAILABLE", "no memory"]}, "could not load fraud 1: no memory; 2 serves"),
        ({1: ["LOADING", ""]}, "is still loading fraud 1 after 0.3 s; 2 serves"),
    ],
)
def test_a_load_of_the_candidate_that_is_under_way_is_waited_for(server: far_end_triton.Triton, ends: dict[int, list[str]], said: str | None) -> None:
    """It is our own, from before a crash."""
    token = session(server).state().token
    server.rows[1], server.configs[1] = ["LOADING", ""], specific(1)
    server.after_look = lambda: server.rows.update(ends)
    opened = session(server, time_limit="300ms")
    if said is None:
        assert opened.switch_to("1", expected="2", token=token) == Switch("1", "1", changed=False)
    else:
        with pytest.raises(RollbackError, match=said):
            opened.switch_to("1", expected="2", token=token)
    assert server.loads == []


def test_the_token_tells_that_somebody_loaded_although_the_version_is_the_same(server: far_end_triton.Triton) -> None:
    token = session(server).state().token
    server.load({**specific(2), "max_batch_size": 8})
    with pytest.raises(Moved, match="was written since it was read"):
        session(server).switch_to("1", expected="2", token=token)


@pytest.mark.parametrize("candidate", ["v1", "1.0", "01", "-1", "", "\u0661", "no-such-version"])
def test_triton_s_versions_are_whole_numbers(server: far_end_triton.Triton, candidate: str) -> None:
    with pytest.raises(RollbackError, match="is no version of Triton's"):
        session(server).switch_to(candidate, expected="2")
    assert server.loads == []


def test_a_model_that_was_never_loaded_has_no_version_and_no_configuration_to_keep(server: far_end_triton.Triton) -> None:
    server.rows.clear()
    opened = session(server)
    assert (opened.current(), opened.state().version) == (None, None)
    assert opened.ready("1") == ["Triton serves no version of fraud"]
    with pytest.raises(RollbackError, match="serves no version, so there is no configuration to keep"):
        opened.switch_to("1", expected=None)
    with pytest.raises(Moved):
        opened.switch_to("1", expected="2")


def test_a_model_that_is_not_there_or_twice_cannot_be_switched(server: far_end_triton.Triton) -> None:
    with pytest.raises(RollbackError, match="has no model 'credit' in its repository"):
        Triton.model_validate({"url": server.url}).open_for("credit").current()
    assert Triton.model_validate({"url": server.url, "model": "fraud"}).open_for("credit").current() == "2"
    server.doubled = True
    with pytest.raises(RollbackError, match="cannot serve fraud: model appears in two or more repositories"):
        session(server).current()


def test_a_dry_run_loads_nothing_and_says_what_it_would(server: far_end_triton.Triton) -> None:
    assert session(server).switch_to("1", expected="2", dry_run=True).detail["versions"] == ["1"]
    assert server.loads == []


def test_it_has_no_compare_and_set_and_says_what_an_operator_must_know() -> None:
    near, far = (Triton.model_validate({"url": url}) for url in ("http://127.0.0.1:8000", "http://triton:8000"))
    assert not near.compare_and_set
    (lasting,) = near.cautions()
    assert "--model-control-mode=explicit, and forgets a switch when it restarts" in lasting.what
    assert [each.key for each in far.cautions()] == ["", "url"]


@pytest.mark.parametrize("fields", [{"url": "triton:8000"}, {"several": "all"}, {"time_limit": "0s"}, {"address": "x"}])
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Triton.model_validate({"url": "http://triton:8000", **fields})


def test_the_stand_in_is_as_strict_as_triton() -> None:
    """What would make Triton refuse makes the stand-in refuse: else the tests above show nothing."""
    server = far_end_triton.Triton().start(2)
    wrong: list[dict[str, Any]] = [
        {"parameters": {"config": CONFIG}},
        {"parameters": {"unknown": "x"}},
        {"parameters": {"config": json.dumps({**CONFIG, "inputs": []})}},
        {"parameters": {"config": json.dumps({**CONFIG, "name": "other"})}},
        {"parameters": {"config": json.dumps({**CONFIG, "version_policy": {"latest": {"num_versions": 1}, "all": {}}})}},
    ]
    for request in wrong:
        with pytest.raises(far_end_triton.RefusalError):
            server.control("fraud", request)
    assert server.ready() == [2]
