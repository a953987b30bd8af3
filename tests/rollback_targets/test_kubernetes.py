"""The target kubernetes on Deployments, against a strict local API server and a real one: what `kubectl rollout undo` does, and every trap of it."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rollback_targets.kube_worlds import AT, IMAGE, World, deployment, fraud, image_is, opened, wait_for, written
from tests.servers._require import need
from tests.servers.kube_strict import StrictCluster, certificate
from tests.servers.kubernetes import Cluster
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget, Switch
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets._kubernetes_rollout import rollout
from watchtower.rollback_targets.kubernetes import Kubernetes

Json = dict[str, Any]
ENV = {"env": "MODEL_VERSION", "pattern": "s3://models/fraud/{version}/"}


def test_its_kind_is_its_file() -> None:
    assert RollbackTarget.member("kubernetes") is Kubernetes


def test_a_revision_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    first = fraud(world, "1")["spec"]["template"]
    world.patch("deployments", "fraud", changed("2"))
    world.settle()
    switch = opened(world, tmp_path).switch_to("1", expected="2", key="plan-1")
    assert switch == Switch("2", "1", changed=True)
    now = world.get("deployments", "fraud")
    assert without_nulls(now["spec"]["template"]) == without_nulls(first)
    assert now["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert now["status"]["availableReplicas"] == now["status"]["replicas"] == 2
    assert switch.detail["to_revision"] == "1"


def changed(version: str) -> list[Json]:
    """A deployment of *version* that changes more than the image."""
    spec = "/spec/template/spec"
    return [{"op": "replace", "path": AT, "value": IMAGE.format(version=version)}, {"op": "add", "path": f"{spec}/containers/0/args", "value": ["--worse"]}]


def without_nulls(found: Any) -> Any:
    """*found* without keys that hold null or nothing."""
    if isinstance(found, list):
        return [without_nulls(each) for each in found]
    return {key: without_nulls(value) for key, value in found.items() if value not in (None, {})} if isinstance(found, dict) else found


def test_by_patch_only_the_value_changes(world: World, tmp_path: Path) -> None:
    fraud(world, "1")
    world.patch("deployments", "fraud", changed("2"))
    world.settle()
    assert opened(world, tmp_path, by="patch").switch_to("1", expected="2").changed
    container = world.get("deployments", "fraud")["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["args"]) == (IMAGE.format(version="1"), ["--worse"])


@pytest.mark.parametrize("naming", [ENV, {"annotation": "models.example/version"}, {"label": "model-version"}], ids=lambda each: next(iter(each)))
@pytest.mark.parametrize("by", ["revision", "patch"])
def test_a_version_may_stand_elsewhere_than_in_the_image(world: World, tmp_path: Path, naming: Json, by: str) -> None:
    fraud(world, "1")
    session = opened(world, tmp_path, version=naming, by="patch")
    assert session.switch_to("2", expected="1").changed
    world.settle()
    back = opened(world, tmp_path, version=naming, by=by)
    assert back.current() == "2"
    assert back.switch_to("1", expected="2").changed
    assert written(world.get("deployments", "fraud")) == written(twin(world))


def twin(world: World) -> Json:
    """A Deployment as `fraud` was made, with the server's defaults."""
    made = world.create("deployments", deployment(IMAGE.format(version="1"), name="twin"))
    made["spec"] = json.loads(json.dumps(made["spec"]).replace('"twin"', '"fraud"'))
    return made


def test_what_names_no_version_yet_can_be_given_one(world: World, tmp_path: Path) -> None:
    fraud(world, "1")
    session = opened(world, tmp_path, version={"annotation": "example.com/model"}, by="patch")
    assert session.current() is None
    assert session.switch_to("7", expected=None) == Switch(None, "7", changed=True)
    assert world.get("deployments", "fraud")["spec"]["template"]["metadata"]["annotations"]["example.com/model"] == "7"


def test_replicas_are_the_autoscalers_and_scaling_is_no_write_of_the_version(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    session = opened(world, tmp_path)
    token = session.state().token
    world.patch("deployments", "fraud", [{"op": "replace", "path": "/spec/replicas", "value": 3}])
    assert session.state().token == token
    assert session.switch_to("1", expected="2", token=token).changed
    now = world.get("deployments", "fraud")
    assert (now["spec"]["replicas"], now["status"]["availableReplicas"]) == (3, 3)


@pytest.mark.parametrize("write", ["template", "annotation", "there and back"])
def test_whoever_wrote_since_the_state_was_read_is_seen(world: World, tmp_path: Path, write: str) -> None:
    fraud(world, "1", "2")
    session = opened(world, tmp_path)
    token = session.state().token
    if write == "template":
        world.patch("deployments", "fraud", changed("2")[1:])
    elif write == "annotation":
        world.patch("deployments", "fraud", [{"op": "add", "path": "/metadata/annotations/owner", "value": "somebody"}])
    else:
        for version in ("1", "2"):
            image_is(world, version)
            world.settle()
    with pytest.raises(Moved, match="was written since it was read: nothing was switched"):
        session.switch_to("1", expected="2", token=token)
    assert session.current() == "2"


def test_a_dry_run_is_validated_by_the_server_and_writes_nothing(world: World, tmp_path: Path) -> None:
    before = fraud(world, "1", "2")
    assert opened(world, tmp_path).switch_to("1", expected="2", dry_run=True) == Switch("2", "1", changed=True, dry_run=True)
    selects = opened(world, tmp_path, version={"label": "app"}, by="patch")
    with pytest.raises(RollbackError, match="selects its pods by the label app, which can never change"):
        selects.switch_to("other", expected="fraud", dry_run=True)
    assert any("which can never change" in each for each in selects.ready("other"))
    after = world.get("deployments", "fraud")
    assert (after["metadata"]["resourceVersion"], after["spec"]) == (before["metadata"]["resourceVersion"], before["spec"])


def test_a_version_that_no_label_can_hold_is_an_error_and_not_somebody_else(world: World, tmp_path: Path) -> None:
    before = fraud(world, "1")
    with pytest.raises(RollbackError, match="'not a label' cannot stand in") as refused:
        opened(world, tmp_path, version={"label": "model-version"}, by="patch").switch_to("not a label", expected="1")
    assert not isinstance(refused.value, Moved)
    assert world.get("deployments", "fraud")["spec"] == before["spec"]


def test_a_paused_deployment_is_refused(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    world.patch("deployments", "fraud", [{"op": "add", "path": "/spec/paused", "value": True}])
    for by in ("revision", "patch"):
        session = opened(world, tmp_path, by=by)
        with pytest.raises(RollbackError, match=r"it is paused; resume it first \(kubectl rollout resume deployment/fraud\)"):
            session.switch_to("1", expected="2")
        assert any("it is paused" in each for each in session.ready("1"))
    assert session.current() == "2"


def test_a_revision_that_history_no_longer_holds_is_refused_and_not_ready(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2", "3", revisionHistoryLimit=1)
    wait_for(lambda: len(world.items("replicasets")) == 2 or isinstance(world, StrictCluster))
    session = opened(world, tmp_path)
    if isinstance(world, StrictCluster):
        world.delete("replicasets", next(each["metadata"]["name"] for each in world.items("replicasets") if revision(each) == "1"))
    said = r"no revision that serves version 1: there are 2 \(2\), 3 \(3\) \(revisionHistoryLimit is 1\)"
    with pytest.raises(RollbackError, match=said):
        session.switch_to("1", expected="3")
    assert any("no revision that serves version 1" in each for each in session.ready("1"))
    assert session.ready("2") == []


def revision(found: Json) -> str:
    return str(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def test_the_newest_revision_of_a_version_is_taken(world: World, tmp_path: Path) -> None:
    fraud(world, "1")
    world.patch("deployments", "fraud", changed("1")[1:])
    world.settle()
    image_is(world, "2")
    world.settle()
    switch = opened(world, tmp_path).switch_to("1", expected="2")
    assert switch.detail["to_revision"] == "2"
    assert world.get("deployments", "fraud")["spec"]["template"]["spec"]["containers"][0]["args"] == ["--worse"]


def test_a_replica_set_with_the_same_labels_that_another_owns_is_left_alone(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other", "uid": "00000000-0000-0000-0000-000000000001", "controller": True}
    labels = {"app": "fraud", "pod-template-hash": "x"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model", "image": IMAGE.format(version="9")}]}}
    notes = {"deployment.kubernetes.io/revision": "8"}
    meta = {"name": "fraud-x", "labels": labels, "annotations": notes, "ownerReferences": [other]}
    world.create("replicasets", {"metadata": meta, "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}})
    with pytest.raises(RollbackError, match="no revision that serves version 9"):
        opened(world, tmp_path).switch_to("9", expected="2")


def test_a_rollout_that_misses_its_deadline_is_told(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2", progressDeadlineSeconds=1)
    world.sick.add(IMAGE.format(version="1"))
    session = opened(world, tmp_path)
    with pytest.raises(RollbackError, match=r"names 1, and the rollout exceeded its progress deadline.*[01] of 2 replicas updated") as late:
        session.switch_to("1", expected="2")
    assert not isinstance(late.value, Moved)
    assert session.current() == "1"


def test_a_deadline_that_the_bad_version_missed_does_not_fail_the_way_back(world: World, tmp_path: Path) -> None:
    fraud(world, "1", progressDeadlineSeconds=1)
    world.sick.add(IMAGE.format(version="2"))
    image_is(world, "2")
    wait_for(lambda: "ProgressDeadlineExceeded" in json.dumps(advanced(world)["status"]))
    assert opened(world, tmp_path).switch_to("1", expected="2").changed
    assert world.get("deployments", "fraud")["status"]["availableReplicas"] == 2


def advanced(world: World) -> Json:
    """The Deployment, after another step of the strict server's controller."""
    if isinstance(world, StrictCluster):
        world.reconcile()
    return world.get("deployments", "fraud")


def test_a_rollout_that_takes_longer_than_the_time_limit_is_told(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    world.sick.add(IMAGE.format(version="1"))
    with pytest.raises(RollbackError, match=r"was switched to 1, and after 0 s that had not come about: "):
        opened(world, tmp_path, time_limit="400ms").switch_to("1", expected="2")


def test_after_a_crash_amid_a_rollout_the_same_switch_waits_for_it_and_writes_nothing(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    world.sick.add(IMAGE.format(version="1"))
    with pytest.raises(RollbackError, match="had not come about"):
        opened(world, tmp_path, time_limit="300ms").switch_to("1", expected="2")
    before = written(world.get("deployments", "fraud"))
    found: list[Switch] = []
    thread = threading.Thread(target=lambda: found.append(opened(world, tmp_path).switch_to("1", expected="2", key="plan-1")))
    thread.start()
    thread.join(0.4)
    assert thread.is_alive()
    world.sick.clear()
    thread.join(15)
    assert found == [Switch("1", "1", changed=False)]
    assert written(world.get("deployments", "fraud")) == before


def test_somebody_who_deploys_while_the_rollout_runs_is_told(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    world.sick.add(IMAGE.format(version="1"))
    wrong: list[str] = []

    def switch() -> None:
        try:
            opened(world, tmp_path).switch_to("1", expected="2")
        except RollbackError as told:
            wrong.append(str(told))

    thread = threading.Thread(target=switch)
    thread.start()
    wait_for(lambda: world.get("deployments", "fraud")["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1"))
    image_is(world, "3")
    thread.join(15)
    assert len(wrong) == 1
    assert "was switched to 1, and before that had come about somebody switched it to 3" in wrong[0]


OWNED = {
    "Argo CD's label": ("labels", "argocd.argoproj.io/instance", "fraud", "Argo CD owns it"),
    "Argo CD's tracking id": ("annotations", "argocd.argoproj.io/tracking-id", "fraud:apps/Deployment:x/fraud", "Argo CD owns it"),
    "Flux's Kustomization": ("labels", "kustomize.toolkit.fluxcd.io/name", "fraud", "Flux owns it"),
    "Flux's HelmRelease": ("labels", "helm.toolkit.fluxcd.io/name", "fraud", "Flux owns it"),
}


@pytest.mark.parametrize("mark", OWNED)
def test_what_a_gitops_controller_marked_is_refused(world: World, tmp_path: Path, mark: str) -> None:
    room, key, value, who = OWNED[mark]
    fraud(world, "1", "2")
    kept = world.get("deployments", "fraud")["metadata"].get(room) or {}
    world.patch("deployments", "fraud", [{"op": "add", "path": f"/metadata/{room}", "value": {**kept, key: value}}])
    refused(world, tmp_path, who)


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller", "helm-controller"])
def test_what_a_gitops_controller_applies_without_a_mark_is_refused(strict: StrictCluster, tmp_path: Path, manager: str) -> None:
    fraud(strict, "1", "2")
    strict.patch("deployments", "fraud", [{"op": "add", "path": "/spec/minReadySeconds", "value": 0}], manager=manager)
    refused(strict, tmp_path, rf"owns it \(field manager {manager}\)")


def test_what_an_operator_owns_is_refused(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    owner = {"apiVersion": "serving.example/v1", "kind": "InferenceService", "name": "fraud", "uid": "00000000-0000-0000-0000-000000000002", "controller": True}
    world.patch("deployments", "fraud", [{"op": "add", "path": "/metadata/ownerReferences", "value": [owner]}])
    refused(world, tmp_path, "the InferenceService fraud owns it")


def refused(world: World, at: Path, who: str) -> None:
    """It is not switched and not ready, and both say *who*."""
    session = opened(world, at)
    with pytest.raises(RollbackError, match=f"{who}.* and would put it back; set git:"):
        session.switch_to("1", expected="2")
    assert session.current() == "2"
    assert "would put it back" in "".join(session.ready("1"))


def test_a_deployment_that_is_not_there_is_said(world: World, tmp_path: Path) -> None:
    session = opened(world, tmp_path)
    with pytest.raises(RollbackError, match=r'deployments .*/fraud cannot be read: .* answered 404 deployments.apps "fraud" not found'):
        session.current()
    assert any("not found" in each for each in session.ready("1"))


def test_what_is_kept_before_a_switch_brings_a_person_back(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    detail = opened(world, tmp_path).state().detail
    assert (detail["revision"], detail["images"]) == ("2", [IMAGE.format(version="2")])
    assert str(detail["undo"]).endswith("--to-revision=2")


def test_no_value_of_the_template_is_kept_for_the_audit(world: World, tmp_path: Path) -> None:
    fraud(world, "1", "2")
    session = opened(world, tmp_path)
    assert "s3://models" not in repr([session.state(), session.switch_to("1", expected="2").detail])


def test_the_patch_is_what_kubectl_sends_after_a_test_of_the_resource_version(tmp_path: Path) -> None:
    with StrictCluster(certificate=certificate(tmp_path)) as cluster:
        fraud(cluster, "1", "2")
        for key in ("kubectl.kubernetes.io~1last-applied-configuration", "added-later"):
            cluster.patch("deployments", "fraud", [{"op": "add", "path": f"/metadata/annotations/{key}", "value": "{}"}])
        cluster.settle()
        version = cluster.get("deployments", "fraud")["metadata"]["resourceVersion"]
        assert opened(cluster, tmp_path).switch_to("1", expected="2").changed
        ours = patches(cluster)[-1]
        assert ours[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        image_is(cluster, "2")
        cluster.settle()
        undo(cluster, tmp_path)
        theirs = without_nulls_in(patches(cluster)[-1])
    assert theirs["/spec/template"] == without_nulls(ours[1]["value"])
    assert theirs["/metadata/annotations"] == ours[2]["value"] | {REVISION: "4"}
    assert set(ours[2]["value"]) == {REVISION, "kubectl.kubernetes.io/last-applied-configuration"}
    assert [each["path"] for each in ours[1:]] == list(theirs)


REVISION = "deployment.kubernetes.io/revision"


def undo(world: World, at: Path) -> None:
    """What kubectl does."""
    kubectl = shutil.which("kubectl") or need("kubectl", "it is not on the PATH")
    number = next(revision(each) for each in world.items("replicasets") if each["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1"))
    command = [kubectl, "--kubeconfig", str(world.kubeconfig(at)), "--cache-dir", str(at / "cache"), "rollout", "undo", "deployment/fraud"]
    subprocess.run([*command, f"--to-revision={number}"], check=True, capture_output=True, timeout=60)


def without_nulls_in(operations: list[Json]) -> Json:
    """Path to value; kubectl writes `creationTimestamp: null` and empty objects."""
    return {each["path"]: without_nulls(each["value"]) for each in operations}


def patches(strict: StrictCluster) -> list[list[Json]]:
    return [each.body for each in strict.calls if each.method == "PATCH" and "dryRun" not in each.query]


def test_kubectl_and_we_leave_the_same_deployment(kube_cluster: Cluster, tmp_path: Path) -> None:
    ours, theirs = kube_cluster.room(), kube_cluster.room()
    for room in (ours, theirs):
        fraud(room, "1")
        room.patch("deployments", "fraud", changed("2"))
        room.settle()
    opened(ours, tmp_path).switch_to("1", expected="2")
    undo(theirs, tmp_path)
    theirs.settle()
    kept: Callable[[Json], object] = lambda found: [found["spec"], found["metadata"]["annotations"], found["metadata"]["generation"]]  # noqa: E731
    assert kept(ours.get("deployments", "fraud")) == kept(theirs.get("deployments", "fraud"))


def status(**given: Any) -> Json:
    """A Deployment of three whose status holds *given*."""
    return {"metadata": {"generation": 5}, "spec": {"replicas": 3}, "status": {"observedGeneration": 5, "replicas": 3} | given}


LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "2026-01-01T00:00:09Z"}]
DONE = {"updatedReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("found", "done", "failed"),
    [
        (status(**DONE), True, False),
        (status(**DONE, observedGeneration=4), False, False),
        (status(updatedReplicas=2, availableReplicas=3), False, False),
        (status(updatedReplicas=3, availableReplicas=2), False, False),
        (status(**DONE) | {"status": {"observedGeneration": 5, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 4}}, False, False),
        (status(updatedReplicas=1, conditions=LATE), False, True),
        (status(observedGeneration=4, conditions=LATE), False, False),
        (status(**DONE) | {"spec": {"replicas": 3, "paused": True}}, False, True),
        ({"metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1}}, False, False),
        ({"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}, True, False),
    ],
)
def test_a_rollout_is_done_when_every_replica_is_new_and_available(found: Json, *, done: bool, failed: bool) -> None:
    seen = rollout(found)
    assert (seen.done, bool(seen.failed)) == (done, failed)
    assert rollout(status(updatedReplicas=1, conditions=LATE), stale="2026-01-01T00:00:09Z").failed == ""
