"""Blue-green: the selector of a Service."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.rollback_targets.kube_worlds import World, opened, pod, service, wait_for, written
from tests.servers.kube_strict import StrictCluster
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import Switch, TargetSession
from watchtower.rollback_targets._errors import Moved

COLOUR = "/spec/selector/colour"


def coloured(world: World, at: Path, **settings: Any) -> TargetSession:
    return opened(world, at, service="fraud", version={"selector": "colour"}, **settings)


def two_colours(world: World) -> None:
    """The Service sends its traffic to 2; a pod of 1 waits."""
    world.create("services", service("2"))
    for colour in ("1", "2"):
        world.create("pods", pod(f"fraud-{colour}", colour))


def test_the_selector_is_switched_and_the_endpoints_follow(world: World, tmp_path: Path) -> None:
    two_colours(world)
    session = coloured(world, tmp_path)
    state = session.state()
    assert (state.version, state.detail["selector"]) == ("2", {"app": "fraud", "colour": "2"})
    assert session.ready("1") == []
    assert session.switch_to("1", expected="2", token=state.token) == Switch("2", "1", changed=True)
    assert world.get("services", "fraud")["spec"]["selector"] == {"app": "fraud", "colour": "1"}
    assert served(world) == {"fraud-1"}
    assert session.switch_to("1", expected="2") == Switch("1", "1", changed=False)


def served(world: World) -> set[str]:
    return {end["targetRef"]["name"] for each in world.items("endpointslices") for end in each.get("endpoints") or []}


def test_a_colour_without_a_ready_pod_is_refused(world: World, tmp_path: Path) -> None:
    world.create("services", service("2"))
    world.create("pods", pod("fraud-2", "2"))
    world.sick.add("x")
    world.create("pods", pod("fraud-1", "1", ready=False))
    session = coloured(world, tmp_path)
    with pytest.raises(RollbackError, match="no pod with app=fraud,colour=1 is ready, so the traffic would go nowhere"):
        session.switch_to("1", expected="2")
    assert any("no pod with app=fraud,colour=1 is ready" in each for each in session.ready("1"))
    assert session.current() == "2"


def test_a_pod_that_is_going_away_is_not_ready(strict: StrictCluster, tmp_path: Path) -> None:
    strict.create("services", service("2"))
    going = pod("fraud-1", "1")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    strict.create("pods", going)
    with pytest.raises(RollbackError, match="is ready, so the traffic would go nowhere"):
        coloured(strict, tmp_path).switch_to("1", expected="2")


def test_any_write_since_the_state_was_read_is_seen(world: World, tmp_path: Path) -> None:
    two_colours(world)
    session = coloured(world, tmp_path)
    token = session.state().token
    for colour in ("1", "2"):
        world.patch("services", "fraud", [{"op": "replace", "path": COLOUR, "value": colour}])
    with pytest.raises(Moved, match="was written since it was read"):
        session.switch_to("1", expected="2", token=token)
    with pytest.raises(Moved, match="names 2, not 3"):
        session.switch_to("1", expected="3")
    assert session.current() == "2"


def test_a_dry_run_switches_nothing(world: World, tmp_path: Path) -> None:
    two_colours(world)
    before = written(world.get("services", "fraud"))
    assert coloured(world, tmp_path).switch_to("1", expected="2", dry_run=True) == Switch("2", "1", changed=True, dry_run=True)
    assert written(world.get("services", "fraud")) == before


def test_endpoints_that_still_are_other_pods_are_waited_for(strict: StrictCluster, tmp_path: Path) -> None:
    two_colours(strict)
    strict._endpoints("default")
    strict.frozen = True
    found: list[Switch] = []
    thread = threading.Thread(target=lambda: found.append(coloured(strict, tmp_path).switch_to("1", expected="2")))
    thread.start()
    wait_for(lambda: strict.get("services", "fraud")["spec"]["selector"]["colour"] == "1")
    thread.join(0.1)
    assert thread.is_alive()
    strict.frozen = False
    thread.join(10)
    assert found == [Switch("2", "1", changed=True)]


def test_endpoints_that_never_follow_are_told(strict: StrictCluster, tmp_path: Path) -> None:
    two_colours(strict)
    strict._endpoints("default")
    strict.frozen = True
    with pytest.raises(RollbackError, match="1 of its 1 endpoints are still other pods"):
        coloured(strict, tmp_path, time_limit="50ms").switch_to("1", expected="2")


def test_a_service_without_a_selector_is_somebody_elses(strict: StrictCluster, tmp_path: Path) -> None:
    strict.create("services", {"metadata": {"name": "fraud"}, "spec": {"ports": [{"port": 80}]}})
    with pytest.raises(RollbackError, match="has no selector: its endpoints are made by somebody else"):
        coloured(strict, tmp_path).current()


def test_a_selector_may_be_a_pattern(strict: StrictCluster, tmp_path: Path) -> None:
    strict.create("services", service("fraud-v2"))
    strict.create("pods", pod("fraud-1", "fraud-v1"))
    session = opened(strict, tmp_path, service="fraud", version={"selector": "colour", "pattern": "fraud-v{version}"})
    assert (session.current(), session.switch_to("1", expected="2").after) == ("2", "1")
    strict.patch("services", "fraud", [{"op": "replace", "path": COLOUR, "value": "main"}])
    with pytest.raises(RollbackError, match="selects colour=main, which is not as"):
        session.current()


def test_what_argo_rollouts_manages_is_refused(strict: StrictCluster, tmp_path: Path) -> None:
    two_colours(strict)
    strict.patch("services", "fraud", [{"op": "add", "path": "/metadata/annotations", "value": {"argo-rollouts.argoproj.io/managed-by-rollouts": "fraud"}}])
    with pytest.raises(RollbackError, match="Argo Rollouts owns it"):
        coloured(strict, tmp_path).switch_to("1", expected="2")
