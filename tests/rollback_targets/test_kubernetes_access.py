"""Who the target kubernetes is: service accounts, kubeconfigs, certificates, plugins; and that the shipped Roles are enough and no more than that."""

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rollback_targets.kube_worlds import World, fraud, opened, pod, service
from tests.servers._require import need
from tests.servers.kube_strict import ADMIN, StrictCluster, certificate, kubeconfig
from tests.servers.kubernetes import Cluster
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import TargetSession, _kubernetes_login
from watchtower.rollback_targets._kubernetes_git import Git
from watchtower.rollback_targets._kubernetes_naming import Naming
from watchtower.rollback_targets.kubernetes import Kubernetes

Json = dict[str, Any]
MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "rbac.yaml"
ROLES = {each["metadata"]["name"]: each["rules"] for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] == "Role"}
WAYS: dict[str, Json] = {
    "watchtower-revision": {},
    "watchtower-patch": {"by": "patch"},
    "watchtower-service": {"service": "fraud", "version": {"selector": "colour"}},
}
LACKING = [(role, rule, verb) for role in WAYS for rule, each in enumerate(ROLES[role]) for verb in each["verbs"]]


def prepared(world: World) -> None:
    """A Deployment with two revisions, and a Service with two colours."""
    fraud(world, "1", "2")
    world.create("services", service("2"))
    for colour in ("1", "2"):
        world.create("pods", pod(f"fraud-{colour}", colour))


@pytest.mark.parametrize("role", WAYS)
def test_each_role_is_enough_for_its_way(world: World, tmp_path: Path, role: str) -> None:
    prepared(world)
    session = opened(world, tmp_path, rules=ROLES[role], **WAYS[role])
    assert session.ready("1") == []
    assert session.switch_to("1", expected="2", token=session.state().token).changed


@pytest.mark.parametrize(("role", "rule", "verb"), LACKING, ids=str)
def test_no_role_can_do_without_any_of_its_permissions(strict: StrictCluster, tmp_path: Path, role: str, rule: int, verb: str) -> None:
    prepared(strict)
    rules = json.loads(json.dumps(ROLES[role]))
    rules[rule]["verbs"].remove(verb)
    session = opened(strict, tmp_path, rules=rules, **WAYS[role])
    missing = f"permission is missing: {verb} {rules[rule]['resources'][0]}"
    assert any(missing in each and "deploy/kubernetes/rbac.yaml" in each for each in session.ready("1"))


def test_a_permission_that_a_real_server_denies_is_told(kube_cluster: Cluster, tmp_path: Path) -> None:
    room = kube_cluster.room()
    fraud(room, "1", "2")
    rules = [{**ROLES["watchtower-revision"][0], "verbs": ["get"]}, ROLES["watchtower-revision"][1]]
    session = opened(room, tmp_path, rules=rules)
    assert len(session.ready("1")) == 1
    assert f"permission is missing: patch deployments/fraud in namespace {room.namespace}" in session.ready("1")[0]
    with pytest.raises(RollbackError, match=r"was not switched: .* answered 403 .* permission is missing"):
        session.switch_to("1", expected="2")
    room.close()


def test_no_role_reaches_another_object(world: World, tmp_path: Path) -> None:
    prepared(world)
    session = Kubernetes.model_validate(
        {"deployment": "other", "version": {"env": "V"}, "kubeconfig": str(world.kubeconfig(tmp_path, ROLES["watchtower-revision"]))}
    ).open()
    with pytest.raises(RollbackError, match="answered 403"):
        session.current()


def test_a_real_server_takes_the_manifest(kube_cluster: Cluster, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl") or need("kubectl", "it is not on the PATH")
    access = kube_cluster.room().kubeconfig(tmp_path)
    command = [
        kubectl,
        "--kubeconfig",
        str(access),
        "--cache-dir",
        str(tmp_path / "cache"),
        "apply",
        "--namespace",
        "default",
        "--dry-run=server",
        "-f",
        str(MANIFEST),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("created (server dry run)") == len(list(yaml.safe_load_all(MANIFEST.read_text())))


PAGE = Path(__file__).parents[2] / "docs" / "targets" / "kubernetes.md"


@pytest.mark.parametrize("example", re.findall(r"```yaml\ntarget:\n(.*?)```", PAGE.read_text(), re.DOTALL))
def test_the_examples_of_its_page_can_be_read_and_every_key_is_told(example: str) -> None:
    given = yaml.safe_load(example)
    assert given.pop("kind") == "kubernetes"
    settings = Kubernetes.model_validate(given)
    keys = {*Kubernetes.model_fields, *Naming.model_fields, *Git.model_fields}
    assert {key for key in keys if f"`{key}`" not in PAGE.read_text()} == set()
    assert list(settings.cautions()) == []


def test_what_is_not_here_is_cautioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    git = {"url": "u", "file": "f", "at": ["a"]}
    settings = Kubernetes.model_validate({"deployment": "fraud", "version": {"env": "V"}, "kubeconfig": str(tmp_path / "none"), "git": git})
    assert [each.key for each in settings.cautions()] == ["kubeconfig", "git"]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[StrictCluster]:
    """The strict server behind TLS, with two revisions."""
    with StrictCluster(certificate=certificate(tmp_path)) as cluster:
        fraud(cluster, "1", "2")
        yield cluster


def session(user: Json, cluster: StrictCluster, at: Path) -> TargetSession:
    """The target through a kubeconfig with this *user*."""
    file = at / "config"
    file.write_text(json.dumps(kubeconfig(cluster.url, user, "default", {"certificate-authority": str(at / "server.pem")})))
    return opened(cluster, at, kubeconfig=str(file))


def test_in_a_cluster_the_service_account_is_used_and_its_token_read_again(secure: StrictCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kubernetes_login, "SERVICE_ACCOUNT", tmp_path)
    host, _, port = secure.url.removeprefix("https://").rpartition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    (tmp_path / "namespace").write_text("default")
    (tmp_path / "ca.crt").write_text((tmp_path / "server.crt").read_text())
    (tmp_path / "token").write_text(f"{ADMIN}\n")
    opened_once = opened(secure, tmp_path, kubeconfig=None)
    assert opened_once.current() == "2"
    secure.users = {"rotated": None}
    (tmp_path / "token").write_text("rotated\n")
    assert opened_once.current() == "2"
    opened_once.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: StrictCluster, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other")
    file = tmp_path / "config"
    file.write_text(json.dumps(kubeconfig(secure.url, {"token": ADMIN}, "default", {"certificate-authority": str(tmp_path / "other" / "server.crt")})))
    with pytest.raises(RollbackError, match=r"answered nothing \(SSLError\)"):
        opened(secure, tmp_path, kubeconfig=str(file)).current()
    assert secure.calls == []


def test_a_client_certificate_says_who_we_are(tmp_path: Path) -> None:
    client = certificate(tmp_path, "client")
    with StrictCluster(certificate=certificate(tmp_path), clients=tmp_path / "client.crt") as cluster:
        cluster.users = {"": None}
        fraud(cluster, "1", "2")
        assert session({"client-certificate": str(client), "client-key": str(client)}, cluster, tmp_path).current() == "2"


def test_a_token_that_has_expired_is_read_again(secure: StrictCluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(ADMIN)
    session_of_long = session({"tokenFile": str(token)}, secure, tmp_path)
    assert session_of_long.current() == "2"
    secure.users = {"rotated": None}
    token.write_text("rotated")
    assert session_of_long.current() == "2"


def test_credentials_that_are_not_valid_are_told_without_them(secure: StrictCluster, tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match="answered 401 Unauthorized") as refused:
        session({"token": "wrong-token"}, secure, tmp_path).current()
    assert "wrong-token" not in str(refused.value)


def plugin(at: Path, body: str) -> Json:
    """A user whose credentials an exec plugin gives."""
    program = at / "plugin"
    program.write_text(f"#!{sys.executable}\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}}


CREDENTIAL = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}'


def test_an_exec_plugin_gives_the_credentials_and_is_asked_again_when_they_expire(secure: StrictCluster, tmp_path: Path) -> None:
    (tmp_path / "now").write_text(ADMIN)
    asked = session(plugin(tmp_path, f"print({CREDENTIAL!r} % open({str(tmp_path / 'now')!r}).read())"), secure, tmp_path)
    assert asked.current() == "2"
    secure.users = {"fresh": None}
    (tmp_path / "now").write_text("fresh")
    assert asked.current() == "2"


def test_an_exec_plugin_that_fails_is_told(secure: StrictCluster, tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match=r"gives no credentials: .* its exec plugin failed"):
        session(plugin(tmp_path, "raise SystemExit(3)"), secure, tmp_path).current()


def test_an_exec_plugin_that_hangs_is_not_waited_for(secure: StrictCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kubernetes_login, "PLUGIN_WITHIN", 0.2)
    with pytest.raises(RollbackError, match="its exec plugin gave no credentials within"):
        session(plugin(tmp_path, "import time; time.sleep(2)"), secure, tmp_path).current()


@pytest.mark.parametrize("text", ["", "{}", "clusters: [", None], ids=["empty", "without a context", "no YAML", "missing"])
def test_a_kubeconfig_that_is_none_is_told(strict: StrictCluster, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "broken"
    if text is not None:
        file.write_text(text)
    with pytest.raises(RollbackError, match="broken cannot be used: "):
        opened(strict, tmp_path, kubeconfig=str(file)).current()


def test_without_the_client_library_it_says_what_to_install(strict: StrictCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(RollbackError, match=r"pip install 'watchtower-ml\[kubernetes\]'"):
        opened(strict, tmp_path)
