"""A real Kubernetes API server with its deployment, ReplicaSet and endpoint controllers, over a real etcd. Nobody runs pods: a thread says that they are ready.

The program is built by `tests/servers/kube/build` (or named by KUBE_APISERVER), etcd is on the PATH (Debian: `apt-get install etcd-server`).
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.servers._require import need
from tests.servers.kube_strict import ADMIN, GROUPS, KINDS, kubeconfig

Json = dict[str, Any]
BUILT = Path(__file__).parents[1] / ".cache" / "kubernetes" / "kube"
READY_WITHIN = 60.0
USERS = 60
NODE = "node"
CONTROLLERS = "deployment-controller,replicaset-controller,endpointslice-controller"


class Cluster:
    """A running control plane."""

    def __init__(self, url: str, authority: Path) -> None:
        self.url = url
        self.authority = authority
        self.sick: dict[str, set[str]] = {}
        self.ended = threading.Event()
        self.users = iter(range(USERS))
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._rooms = iter(range(10_000))
        self._kubelet = threading.Thread(target=self._play_kubelet, daemon=True)

    def begin(self) -> None:
        """From now on pods get ready."""
        self.ask("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        self._kubelet.start()

    def end(self) -> None:
        """No longer."""
        self.ended.set()
        self._kubelet.join(10)

    def ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Json:
        """One call as administrator; HTTPError with the server's words where it refuses."""
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": content, "Accept": "application/json"}
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
            found: Json = json.load(answer)
            return found

    def room(self) -> "Room":
        """A fresh namespace."""
        name = f"test-{next(self._rooms)}"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return Room(self, name)

    def _play_kubelet(self) -> None:
        given = 0
        while not self.ended.wait(0.03):
            try:
                for pod in self.ask("GET", "/api/v1/pods?fieldSelector=status.phase%3DPending")["items"]:
                    if pod["spec"]["containers"][0]["image"] not in self.sick.get(pod["metadata"]["namespace"], ()):
                        given += 1
                        self._get_ready(pod, f"10.1.{given // 250}.{given % 250 + 1}")
            except (OSError, ValueError):
                continue

    def _get_ready(self, pod: Json, address: str) -> None:
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"} for kind in ("Ready", "ContainersReady", "PodScheduled")]
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        self.ask("PATCH", path, {"status": status}, "application/merge-patch+json")


class Room:
    """One namespace of a cluster, with what :class:`~tests.servers.kube_strict.StrictCluster` has."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.sick = cluster.sick.setdefault(namespace, set())

    def kubeconfig(self, folder: Path, rules: list[Json] | None = None, *, namespace: str | None = None) -> Path:
        """A kubeconfig of a user with these RBAC *rules* (None: everything)."""
        token = ADMIN
        if rules is not None:
            user = f"user-{next(self.cluster.users)}"
            token = f"token-{user}"
            rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
            self.cluster.ask("POST", f"{rbac}/roles", {"metadata": {"name": user}, "rules": rules})
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
            subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
            self.cluster.ask("POST", f"{rbac}/rolebindings", {"metadata": {"name": user}, "roleRef": reference, "subjects": subjects})
        file = folder / f"kubeconfig-{token}"
        authority = {"certificate-authority": str(self.cluster.authority)}
        file.write_text(json.dumps(kubeconfig(self.cluster.url, {"token": token}, namespace or self.namespace, authority)))
        return file

    def create(self, plural: str, found: Json) -> Json:
        """Makes an object."""
        spec = {**found["spec"], "nodeName": NODE} if plural == "pods" else found["spec"]  # an endpoint's pod must stand on a node
        made = self.cluster.ask("POST", self._path(plural), {"apiVersion": f"{GROUPS[plural]}/v1".lstrip("/"), "kind": KINDS[plural], **found, "spec": spec})
        if plural == "pods" and "status" in found:
            self.cluster._get_ready(made, "10.2.0.1")
        return made

    def get(self, plural: str, name: str) -> Json:
        """An object as it is."""
        return self.cluster.ask("GET", self._path(plural, name))

    def items(self, plural: str) -> list[Json]:
        """All objects of a kind."""
        found: list[Json] = self.cluster.ask("GET", self._path(plural))["items"]
        return found

    def patch(self, plural: str, name: str, operations: list[Json]) -> Json:
        """What somebody else writes."""
        return self.cluster.ask("PATCH", self._path(plural, name), operations, "application/json-patch+json")

    def delete(self, plural: str, name: str) -> None:
        """Gone."""
        self.cluster.ask("DELETE", self._path(plural, name), {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def close(self) -> None:
        """Leaves nothing for the controllers to do."""
        for plural in ("deployments", "replicasets", "services", "pods"):
            self.cluster.ask("DELETE", self._path(plural), {"propagationPolicy": "Background", "gracePeriodSeconds": 0})

    def settle(self) -> None:
        """Waits until every Deployment that is not sick is rolled out."""
        until = time.monotonic() + 20
        while not all(self._settled(each) for each in self.items("deployments")):
            if time.monotonic() > until:
                msg = f"{self.namespace} does not come to rest"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def _settled(self, found: Json) -> bool:
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"] and "annotations" in found["metadata"]
        sick = found["spec"]["template"]["spec"]["containers"][0]["image"] in self.sick
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
        return seen and (counts == {wanted} or (sick and status.get("updatedReplicas", 0) > 0))

    def _path(self, plural: str, name: str = "") -> str:
        group = GROUPS[plural]
        return f"{f'/apis/{group}/v1' if group else '/api/v1'}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")


@contextmanager
def kubernetes() -> Iterator[Cluster]:
    """A control plane on free ports; it and its data are gone at the end. The test ends where it cannot be had."""
    program = Path(os.environ.get("KUBE_APISERVER") or BUILT)
    if not program.exists():
        need("kubernetes", "its API server is not built: tests/servers/kube/build (needs Go), or name one in KUBE_APISERVER")
    etcd = shutil.which("etcd") or need("kubernetes", "etcd is not on the PATH (Debian: apt-get install etcd-server)")
    folder = Path(tempfile.mkdtemp(prefix="watchtower-kubernetes-"))
    ports = _free(3)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(_running([etcd, *_etcd(folder, *ports[:2])], folder / "etcd.log"))
        stack.enter_context(_running([str(program), "apiserver", *_apiserver(folder, ports[0], ports[2])], folder / "apiserver.log"))
        url, authority = f"https://127.0.0.1:{ports[2]}", folder / "certs" / "apiserver.crt"
        _wait(url, authority, folder)
        access = folder / "kubeconfig"
        access.write_text(json.dumps(kubeconfig(url, {"token": ADMIN}, "default", {"certificate-authority": str(authority)})))
        options = [
            f"--kubeconfig={access}",
            f"--controllers={CONTROLLERS}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]
        stack.enter_context(_running([str(program), "controllers", *options], folder / "controllers.log"))
        cluster = Cluster(url, authority)
        cluster.begin()
        stack.callback(cluster.end)
        yield cluster


def _etcd(folder: Path, client: int, peer: int) -> list[str]:
    clients, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    listen = [f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}", f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"]
    return [f"--data-dir={folder}/etcd", *listen, f"--initial-cluster=default={peers}", "--unsafe-no-fsync"]


def _apiserver(folder: Path, etcd: int, port: int) -> list[str]:
    key = folder / "accounts.key"
    openssl = shutil.which("openssl") or need("kubernetes", "openssl is not on the PATH")
    subprocess.run([openssl, "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    users = [f'{ADMIN},admin,admin,"system:masters"', *(f"token-user-{each},user-{each},{each}" for each in range(USERS))]
    (folder / "tokens.csv").write_text("\n".join(users) + "\n")
    accounts = [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}", "--service-account-issuer=https://kubernetes.default.svc"]
    who = [f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]
    where = [f"--etcd-servers=http://127.0.0.1:{etcd}", f"--cert-dir={folder}/certs", "--bind-address=127.0.0.1", f"--secure-port={port}"]
    return [*where, *who, *accounts, "--service-cluster-ip-range=10.0.0.0/24"]


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _free(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in listeners:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in listeners]


def _wait(url: str, authority: Path, folder: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            context = ssl.create_default_context(cafile=str(authority))
            request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
            with urllib.request.urlopen(request, timeout=2, context=context):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    need("kubernetes", f"it did not get ready: {(folder / 'apiserver.log').read_text(errors='replace')[-500:]}")
