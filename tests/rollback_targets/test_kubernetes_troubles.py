"""What may go wrong between the target kubernetes and an API server: one write, whatever is refused, lost, late or written by others."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.rollback_targets.kube_worlds import AT, IMAGE, deployment, fraud, opened, written
from tests.servers.kube_strict import StrictCluster, Trouble
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._kubernetes_naming import Naming, in_template

Json = dict[str, Any]
DEPLOYMENT = "/deployments/fraud"


def writes(cluster: StrictCluster) -> int:
    """How often the template was written, by its revision."""
    return int(cluster.get("deployments", "fraud")["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


@pytest.mark.parametrize(
    "trouble",
    [Trouble("GET", DEPLOYMENT, status) for status in (429, 500, 502, 503, 504, 0)] + [Trouble("GET", "/replicasets", 503, headers={"Retry-After": "0"})],
    ids=lambda each: f"{each.method} {each.status}",
)
def test_reading_is_tried_again(strict: StrictCluster, tmp_path: Path, trouble: Trouble) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble(trouble.method, trouble.path, trouble.status, headers={"Retry-After": "0"}) for _ in range(2)]
    assert opened(strict, tmp_path).switch_to("1", expected="2").changed
    assert strict.trouble == []


def test_a_server_that_stays_away_is_an_error_that_says_who(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("GET", DEPLOYMENT, 503, headers={"Retry-After": "0"}) for _ in range(4)]
    with pytest.raises(RollbackError, match=rf"deployments default/fraud cannot be read: {strict.url} answered 503 trouble"):
        opened(strict, tmp_path).current()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 0])
def test_a_patch_that_was_refused_is_sent_again_and_acts_once(strict: StrictCluster, tmp_path: Path, status: int) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("PATCH", DEPLOYMENT, status, headers={"Retry-After": "0"}) for _ in range(2)]
    assert opened(strict, tmp_path).switch_to("1", expected="2") == Switch("2", "1", changed=True)
    assert writes(strict) == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 0])
def test_a_patch_whose_answer_was_lost_is_looked_at_and_not_sent_again(strict: StrictCluster, tmp_path: Path, status: int) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("PATCH", DEPLOYMENT, status, acts=True)]
    assert opened(strict, tmp_path).switch_to("1", expected="2") == Switch("2", "1", changed=True)
    assert (len([each for each in strict.calls if each.method == "PATCH"]), writes(strict)) == (1, 3)


def test_a_patch_that_never_gets_an_answer_is_an_error(strict: StrictCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchtower.rollback_targets._kubernetes_session.ATTEMPTS", 3)
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("PATCH", DEPLOYMENT, 0) for _ in range(3)]
    with pytest.raises(RollbackError, match="was not switched: it was written, or gave no answer, 3 times"):
        opened(strict, tmp_path).switch_to("1", expected="2")
    assert writes(strict) == 2


def test_a_server_that_is_slow_is_not_waited_for_longer_than_said(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("GET", DEPLOYMENT, 200, wait=1.5) for _ in range(4)]
    began = time.monotonic()
    with pytest.raises(RollbackError, match=r"answered nothing \(ReadTimeoutError\)"):
        opened(strict, tmp_path, answer_within="50ms").current()
    assert time.monotonic() - began < 1.4


def test_a_status_that_changes_between_look_and_patch_is_no_conflict(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")

    def status() -> None:
        found = strict.get("deployments", "fraud")
        strict._store("deployments", {**found, "status": {**found["status"], "note": len(strict.calls)}})

    strict.trouble = [Trouble("GET", "/replicasets", 503, headers={"Retry-After": "0"}, then=status) for _ in range(2)]
    session = opened(strict, tmp_path)
    token = session.state().token
    assert session.switch_to("1", expected="2", token=token).changed
    assert (len([each for each in strict.calls if each.method == "PATCH"]), writes(strict)) == (2, 3)


@pytest.mark.parametrize("other", ["3", "2"])
def test_whoever_writes_between_look_and_patch_is_not_overwritten(strict: StrictCluster, tmp_path: Path, other: str) -> None:
    fraud(strict, "1", "2")

    def deploy() -> None:
        change: list[Json] = [{"op": "replace", "path": AT, "value": IMAGE.format(version=other)}, {"op": "add", "path": "/spec/minReadySeconds", "value": 1}]
        strict.patch("deployments", "fraud", change)

    strict.trouble = [Trouble("GET", "/replicasets", 503, headers={"Retry-After": "0"}, then=deploy)]
    with pytest.raises(Moved):
        opened(strict, tmp_path).switch_to("1", expected="2")
    found = strict.get("deployments", "fraud")["spec"]
    assert (found["template"]["spec"]["containers"][0]["image"], found["minReadySeconds"]) == (IMAGE.format(version=other), 1)


def test_a_server_that_is_away_while_the_rollout_runs_ends_nothing(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    strict.trouble = [Trouble("PATCH", DEPLOYMENT, 200, acts=True, then=lambda: strict.trouble.extend(away()))]
    assert opened(strict, tmp_path).switch_to("1", expected="2").changed
    assert strict.get("deployments", "fraud")["status"]["availableReplicas"] == 2


def test_a_deadline_that_was_missed_before_is_none_of_this_rollout(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", progressDeadlineSeconds=1)
    strict.sick.add(IMAGE.format(version="2"))
    strict.patch("deployments", "fraud", [{"op": "replace", "path": AT, "value": IMAGE.format(version="2")}])
    strict.settle()
    for _ in range(20):
        strict.reconcile()
    assert "ProgressDeadlineExceeded" in str(strict.get("deployments", "fraud")["status"])
    strict.frozen = True
    stale: list[Json] = []

    def seen() -> None:
        """The controller has seen the change, and made no step yet."""
        found = strict.get("deployments", "fraud")
        status = {**found["status"], "observedGeneration": found["metadata"]["generation"], "updatedReplicas": 0}
        stale.append(strict._store("deployments", {**found, "status": status})["status"])
        strict.trouble.append(Trouble("GET", DEPLOYMENT, 200, acts=True, then=goes_on))

    def goes_on() -> None:
        strict.frozen = False

    strict.trouble = [Trouble("PATCH", DEPLOYMENT, 200, acts=True, then=seen)]
    assert opened(strict, tmp_path).switch_to("1", expected="2").changed
    assert "ProgressDeadlineExceeded" in str(stale)


def away() -> list[Trouble]:
    """More than one call tries again."""
    return [Trouble("GET", DEPLOYMENT, 503, headers={"Retry-After": "0"}) for _ in range(9)]


def test_a_deployment_that_is_being_deleted_is_refused(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    strict.patch("deployments", "fraud", [{"op": "add", "path": "/metadata/deletionTimestamp", "value": "2026-01-01T00:00:00Z"}])
    with pytest.raises(RollbackError, match="it is being deleted"):
        opened(strict, tmp_path).switch_to("1", expected="2")


def test_somebody_who_pauses_the_rollout_is_told(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")

    def pause() -> None:
        strict.patch("deployments", "fraud", [{"op": "add", "path": "/spec/paused", "value": True}])

    strict.trouble = [Trouble("PATCH", DEPLOYMENT, 503, acts=True, then=pause)]
    with pytest.raises(RollbackError, match="names 1, and somebody paused it"):
        opened(strict, tmp_path).switch_to("1", expected="2")


def test_a_dry_run_sends_only_dry_runs(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    session = opened(strict, tmp_path)
    session.switch_to("1", expected="2", dry_run=True)
    session.ready("1")
    assert [each.query for each in strict.calls if each.method == "PATCH"] == [{"fieldManager": "watchtower", "dryRun": "All"}] * 2


def test_a_pinned_image_is_read_by_its_tag_and_not_patched_to_a_loose_one(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1@sha256:" + "a" * 64, "2@sha256:" + "b" * 64)
    with pytest.raises(RollbackError, match=r"pins its image to a digest .* use by: revision"):
        opened(strict, tmp_path, by="patch").switch_to("1", expected="2")
    assert opened(strict, tmp_path).switch_to("1", expected="2").changed
    assert strict.get("deployments", "fraud")["spec"]["template"]["spec"]["containers"][0]["image"].endswith("/fraud:1@sha256:" + "a" * 64)


def test_an_image_that_is_not_as_written_names_nothing(strict: StrictCluster, tmp_path: Path) -> None:
    strict.create("deployments", deployment("elsewhere.example/fraud:2"))
    with pytest.raises(RollbackError, match=r"no image like registry.example/fraud:\{version\}: the images are elsewhere.example/fraud:2"):
        opened(strict, tmp_path).current()


@pytest.mark.parametrize("candidate", ["../1", "-rf", "1 2", "evil/fraud:1", "1@sha256:" + "0" * 64, ""])
@pytest.mark.parametrize("naming", [{"image": IMAGE}, {"label": "model-version"}])
def test_a_name_that_would_lead_elsewhere_is_not_written(strict: StrictCluster, tmp_path: Path, naming: dict[str, str], candidate: str) -> None:
    fraud(strict, "1")
    before = written(strict.get("deployments", "fraud"))
    target = opened(strict, tmp_path, by="patch", version=naming)
    with pytest.raises(RollbackError, match="cannot stand in"):
        target.switch_to(candidate, expected="1")
    assert "cannot stand in" in target.ready(candidate)[0]
    assert written(strict.get("deployments", "fraud")) == before


def test_a_label_that_selects_the_pods_cannot_be_switched(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1")
    with pytest.raises(RollbackError, match="selects its pods by the label app, which can never change"):
        opened(strict, tmp_path, version={"label": "app"}, by="patch").switch_to("other", expected="fraud")


def template(*containers: dict[str, Any], before: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), "initContainers": list(before)}}}}


MODEL, SIDE = {"name": "model", "image": "r/fraud:7"}, {"name": "side", "image": "r/side:1"}
FETCH = {"name": "fetch", "image": "r/fetch:1", "env": [{"name": "A", "value": "x"}, {"name": "V", "value": "m-7"}]}


@pytest.mark.parametrize(
    ("naming", "container", "holder", "found"),
    [
        ({"image": "r/fraud:{version}"}, None, template(SIDE, MODEL), "7"),
        ({"image": "r/fraud:{version}"}, "model", template(SIDE, MODEL), "7"),
        ({"image": "r/{version}"}, "side", template(SIDE, MODEL), "side:1"),
        ({"env": "V", "pattern": "m-{version}"}, None, template(MODEL, before=(FETCH,)), "7"),
        ({"image": "r/fraud@{version}"}, None, template({"name": "m", "image": "r/fraud@sha256:" + "0" * 64}), "sha256:" + "0" * 64),
        ({"image": "r/fraud:{version}-gpu"}, None, template({"name": "m", "image": "r/fraud:7-gpu"}), "7"),
    ],
)
def test_the_version_is_read_from_its_place(naming: dict[str, str], container: str | None, holder: dict[str, Any], found: str) -> None:
    where = Naming.model_validate(naming)
    assert where.read(in_template(where, container, holder).value or "") == found


@pytest.mark.parametrize(
    ("naming", "container", "holder", "said"),
    [
        ({"image": "r/fraud:{version}"}, None, template(MODEL, {**MODEL, "name": "twin"}), "has 2 image like"),
        ({"image": "r/fraud:{version}"}, "other", template(MODEL), "container other has no image"),
        ({"env": "V"}, None, template(MODEL), "has no environment variable V"),
        ({"env": "V"}, None, template({**MODEL, "env": [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "m"}}}]}), "comes from elsewhere"),
    ],
)
def test_where_the_place_cannot_be_told_it_is_said(naming: dict[str, str], container: str | None, holder: dict[str, Any], said: str) -> None:
    with pytest.raises(RollbackError, match=said):
        in_template(Naming.model_validate(naming), container, holder)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"version": {}}, "say in one place"),
        ({"version": {"image": "a:{version}", "env": "V"}}, "say in one place"),
        ({"version": {"image": "registry.example/fraud"}}, r"must hold \{version\} once"),
        ({"version": {"env": "V", "pattern": "{version}-{version}"}}, r"must hold \{version\} once"),
        ({"version": {"image": "a:{version}", "pattern": "x{version}"}}, "image is a pattern itself"),
        ({"service": "fraud", "deployment": "fraud"}, "give a deployment or a service"),
        ({"version": {"selector": "colour"}}, "belongs to a service"),
        ({"version": {"label": "v"}, "container": "model"}, "container: belongs to"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(strict: StrictCluster, tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        opened(strict, tmp_path, **wrong)


def test_an_answer_that_is_no_json_is_no_answer(strict: StrictCluster, tmp_path: Path) -> None:
    fraud(strict, "1", "2")
    strict.garbled = 4
    with pytest.raises(RollbackError, match="answered something that is no JSON"):
        opened(strict, tmp_path).current()
    assert (strict.garbled, opened(strict, tmp_path).current()) == (0, "2")
