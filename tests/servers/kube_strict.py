"""A local Kubernetes API server, as strict as the real one in what the target uses; it runs a small deployment controller between calls."""

import copy
import itertools
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers import _json_patch
from tests.servers._kube_controllers import HISTORY, REVISION, next_status, plain, replica_set
from tests.servers._require import need

Json = dict[str, Any]
GROUPS = {"deployments": "apps", "replicasets": "apps", "services": "", "pods": "", "endpointslices": "discovery.k8s.io"}
KINDS = {"deployments": "Deployment", "replicasets": "ReplicaSet", "services": "Service", "pods": "Pod", "endpointslices": "EndpointSlice"}
PATH = re.compile(r"/(?:api/v1|apis/(?P<group>[a-z.0-9]+)/v1)/namespaces/(?P<namespace>[a-z0-9-]+)/(?P<plural>[a-z]+)(?:/(?P<name>[a-z0-9.-]+))?")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
ADMIN = "admin-token"
PATIENCE = 5
"""Steps of the controller in a second of a progress deadline."""


class Refused(Exception):  # noqa: N818  an answer, not a fault
    """An answer that is not 2xx."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.body = (
            code,
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code},
        )


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    user: str


@dataclass
class Trouble:
    """What goes wrong with the next call whose method and path match: before it acts, or after (*acts*).

    *status* 0 hangs up; 200 after it acted is its own answer.
    """

    method: str
    path: str
    status: int
    acts: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    then: Callable[[], None] = lambda: None


class StrictCluster:
    """The cluster and its HTTP server, a context manager."""

    def __init__(self, *, certificate: Path | None = None, clients: Path | None = None) -> None:
        """With a *certificate* (and its key in one PEM file) it speaks TLS; with *clients*, only to who shows a certificate that this one signed."""
        self._certificate = certificate
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.calls: list[Call] = []
        self.trouble: list[Trouble] = []
        self.sick: set[str] = set()
        self.users: dict[str, list[Json] | None] = {ADMIN: None}
        self.frozen = False
        self.echoing = False
        self.garbled = 0
        self._versions = itertools.count(100)
        self._idle: dict[str, int] = {}
        self._lock = threading.RLock()
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            wbufsize = -1
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                cluster.serve(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815  the base class's names

            def log_message(self, *_: object) -> None:
                """Says nothing: what came is kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=None if clients is None else str(clients))
            context.load_cert_chain(certificate)
            context.verify_mode = ssl.CERT_NONE if clients is None else ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # what tests do by hand

    def kubeconfig(self, folder: Path, rules: list[Json] | None = None, *, namespace: str = "default", token: str = "") -> Path:
        """A kubeconfig of a user with these RBAC *rules* (None: everything)."""
        token = token or (ADMIN if rules is None else f"token-{len(self.users)}")
        self.users[token] = rules
        file = folder / f"kubeconfig-{len(self.users)}"
        authority = {"certificate-authority": str(self._certificate)} if self._certificate else None
        file.write_text(json.dumps(kubeconfig(self.url, {"token": token}, namespace, authority)))
        return file

    def create(self, plural: str, found: Json, namespace: str = "default") -> Json:
        """Makes an object, as a POST would."""
        with self._lock:
            made = copy.deepcopy(found)
            made["apiVersion"], made["kind"] = (f"{GROUPS[plural]}/v1").lstrip("/"), KINDS[plural]
            made["metadata"] |= {"namespace": namespace, "uid": f"uid-{next(self._versions)}", "generation": 1}
            if plural == "deployments":
                made["spec"] = {"replicas": 2, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600} | made["spec"]
                made["status"] = {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}
            self._validate(plural, None, made)
            self._store(plural, made)
            return made

    def get(self, plural: str, name: str, namespace: str = "default") -> Json:
        """An object as it is."""
        with self._lock:
            return copy.deepcopy(self.objects[plural, namespace, name])

    def items(self, plural: str, namespace: str = "default") -> list[Json]:
        """All objects of a kind."""
        with self._lock:
            return [copy.deepcopy(each) for (kind, room, _), each in sorted(self.objects.items(), key=str) if (kind, room) == (plural, namespace)]

    def patch(self, plural: str, name: str, operations: list[Json], namespace: str = "default", manager: str = "kubectl-edit") -> Json:
        """What somebody else writes."""
        with self._lock:
            return self._patch(plural, self.objects[plural, namespace, name], operations, manager, dry_run=False)

    def delete(self, plural: str, name: str, namespace: str = "default") -> None:
        """Gone at once."""
        with self._lock:
            del self.objects[plural, namespace, name]

    def settle(self) -> None:
        """Lets the controller work until it has nothing to do."""
        for _ in range(200):
            before = json.dumps(list(self.objects.values()))
            self.reconcile()
            if json.dumps(list(self.objects.values())) == before:
                return
        msg = "the controller does not come to rest"
        raise AssertionError(msg)

    # the controller

    def reconcile(self) -> None:
        """One step of every Deployment."""
        with self._lock:
            for key in [key for key in self.objects if key[0] == "deployments"]:
                self._step(self.objects[key])

    def _step(self, deployment: Json) -> None:
        owned = [
            each
            for each in self.items("replicasets", deployment["metadata"]["namespace"])
            if each["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
        ]
        latest = max((int(each["metadata"]["annotations"][REVISION]) for each in owned), default=0)
        own = next((each for each in owned if plain(each["spec"]["template"]) == plain(deployment["spec"]["template"])), None)
        if own is None and not deployment["spec"].get("paused"):
            made = replica_set(deployment, latest + 1)
            self._begin(deployment)
            self.create("replicasets", made, deployment["metadata"]["namespace"])
            self._revise(deployment, latest + 1)
            return
        if own and (revision := int(own["metadata"]["annotations"][REVISION])) < latest:
            notes = own["metadata"]["annotations"]
            notes[HISTORY] = ",".join(filter(None, [notes.get(HISTORY, ""), str(revision)]))
            notes[REVISION] = str(latest + 1)
            self._store("replicasets", own)
            self._begin(deployment)
            self._revise(deployment, latest + 1)
            return
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        name = deployment["metadata"]["name"]
        status = next_status(
            deployment, sick=image in self.sick, patience=PATIENCE * deployment["spec"]["progressDeadlineSeconds"], idle=self._idle.get(name, 0)
        )
        if status == deployment["status"]:
            self._idle[name] = self._idle.get(name, 0) + 1
            return
        counted = {key: value for key, value in status.items() if key.endswith("eplicas")}
        if counted != {key: value for key, value in deployment["status"].items() if key.endswith("eplicas")}:
            self._idle[name] = 0
        self._store("deployments", {**deployment, "status": status})

    def _begin(self, deployment: Json) -> None:
        """A new template: its pods are all still to come."""
        self._idle[deployment["metadata"]["name"]] = 0
        deployment["status"] |= {"updatedReplicas": 0}

    def _revise(self, deployment: Json, revision: int) -> None:
        notes = {**deployment["metadata"].get("annotations", {}), REVISION: str(revision)}
        meta = {**deployment["metadata"], "annotations": notes}  # by the status subresource: the generation stays
        self._store("deployments", {**deployment, "metadata": meta})

    # the server

    def serve(self, http: BaseHTTPRequestHandler) -> None:
        """One request."""
        length = int(http.headers.get("Content-Length") or 0)
        raw = http.rfile.read(length)
        parts = urlsplit(http.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        token = (http.headers.get("Authorization") or "").partition(" ")[2]
        if self.echoing:
            _send(http, 403, {"kind": "Status", "status": "Failure", "message": f"{raw!r} {http.headers}", "code": 403}, {})
            return
        trouble = self._next_trouble(http.command, parts.path)
        if trouble and trouble.wait:
            time.sleep(trouble.wait)
        if trouble and not trouble.acts:
            trouble.then()
            self._trouble(http, trouble)
            return
        if self.garbled:
            self.garbled -= 1
            _write(http, 200, b"<html>", {})
            return
        code, body = self._answer(http, parts.path, query, raw, token)
        if trouble:
            trouble.then()
        if trouble and trouble.status != 200:
            self._trouble(http, trouble)
        else:
            _send(http, code, body, {})

    def _next_trouble(self, method: str, path: str) -> Trouble | None:
        with self._lock:
            for each in self.trouble:
                if each.method == method and each.path in path:
                    self.trouble.remove(each)
                    return each
        return None

    def _trouble(self, http: BaseHTTPRequestHandler, trouble: Trouble) -> None:
        if trouble.status == 0:
            http.close_connection = True
        else:
            _send(http, trouble.status, {"kind": "Status", "status": "Failure", "message": "trouble", "code": trouble.status}, trouble.headers)

    def _answer(self, http: BaseHTTPRequestHandler, path: str, query: Mapping[str, str], raw: bytes, token: str) -> tuple[int, Json]:
        with self._lock:
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                body = None
            self.calls.append(Call(http.command, path, query, body, token))
            try:
                return self._route(http, path, query, body, token)
            except Refused as refused:
                return refused.code, refused.body

    def _route(self, http: BaseHTTPRequestHandler, path: str, query: Mapping[str, str], body: Any, token: str) -> tuple[int, Json]:
        if token not in self.users:
            raise Refused(401, "Unauthorized", "Unauthorized")
        if path in DISCOVERY and http.command == "GET":
            return 200, DISCOVERY[path]
        if path == REVIEWS and http.command == "POST":
            asked = body["spec"]["resourceAttributes"]
            return 201, {**body, "status": {"allowed": self._may(token, asked["verb"], asked["group"], asked["resource"], asked.get("name", ""))}}
        found = PATH.fullmatch(path)
        if not found or found["plural"] not in GROUPS or GROUPS[found["plural"]] != (found["group"] or ""):
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        plural, namespace, name = found["plural"], found["namespace"], found["name"] or ""
        verb = {"GET": "get" if name else "list", "PATCH": "patch"}.get(http.command, http.command.lower())
        if not self._may(token, verb, GROUPS[plural], plural, name):
            at = f'"{name}" is' if name else "is"
            where = f'in API group "{GROUPS[plural]}" in the namespace "{namespace}"'
            raise Refused(403, "Forbidden", f'{plural}.{GROUPS[plural]} {at} forbidden: User "{token[:7]}" cannot {verb} resource "{plural}" {where}')
        if verb == "list":
            return 200, self._list(plural, namespace, query.get("labelSelector", ""))
        if (plural, namespace, name) not in self.objects:
            raise Refused(404, "NotFound", f'{plural}.{GROUPS[plural]} "{name}" not found')
        if verb == "get":
            if plural == "deployments" and not self.frozen:
                self.reconcile()
            return 200, self.objects[plural, namespace, name]
        if verb != "patch":
            raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        return 200, self._patched(http, plural, self.objects[plural, namespace, name], query, body)

    def _patched(self, http: BaseHTTPRequestHandler, plural: str, found: Json, query: Mapping[str, str], body: Any) -> Json:
        if http.headers.get("Content-Type") != "application/json-patch+json":
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        if query.get("dryRun", "All") != "All":
            raise Refused(422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value')
        if not isinstance(body, list):
            raise Refused(400, "BadRequest", "error decoding patch")
        return self._patch(plural, found, body, query.get("fieldManager", "unknown"), dry_run="dryRun" in query)

    def _patch(self, plural: str, found: Json, operations: list[Json], manager: str, *, dry_run: bool) -> Json:
        try:
            made: Json = _json_patch.apply(found, operations)
        except _json_patch.PatchError:
            raise Refused(422, "Invalid", "the server rejected our request due to an error in our request") from None
        if made["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise Refused(
                409,
                "Conflict",
                f"Operation cannot be fulfilled on {plural}: the object has been modified; please apply your changes to the latest version and try again",
            )
        made["status"] = found.get("status", {})
        self._validate(plural, found, made)
        if made == found:
            return found
        if plural == "deployments" and (made["spec"] != found["spec"] or made["metadata"].get("annotations") != found["metadata"].get("annotations")):
            made["metadata"]["generation"] = found["metadata"]["generation"] + 1
        fields = [each for each in found["metadata"].get("managedFields", []) if each["manager"] != manager]
        made["metadata"]["managedFields"] = [*fields, {"manager": manager, "operation": "Update", "apiVersion": made["apiVersion"]}]
        if dry_run:
            return made
        return self._store(plural, made)

    def _store(self, plural: str, made: Json) -> Json:
        made["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[plural, made["metadata"]["namespace"], made["metadata"]["name"]] = made
        return made

    def _validate(self, plural: str, old: Json | None, made: Json) -> None:
        for key, value in made["metadata"].get("annotations", {}).items():
            if not isinstance(value, str):
                raise Refused(400, "BadRequest", f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.annotations of type string ({key})")
        if plural == "deployments":
            self._valid_deployment(old, made)
        if plural == "services":
            _labels(made["spec"].get("selector") or {}, "spec.selector")

    def _valid_deployment(self, old: Json | None, made: Json) -> None:
        spec, name = made["spec"], made["metadata"]["name"]
        _labels(spec["template"]["metadata"].get("labels", {}), "spec.template.labels")
        if any(spec["template"]["metadata"].get("labels", {}).get(key) != value for key, value in spec["selector"]["matchLabels"].items()):
            raise Refused(422, "Invalid", f'Deployment.apps "{name}" is invalid: spec.template.metadata.labels: `selector` does not match template `labels`')
        if old and old["spec"]["selector"] != spec["selector"]:
            raise Refused(422, "Invalid", f'Deployment.apps "{name}" is invalid: spec.selector: field is immutable')
        containers = spec["template"]["spec"].get("containers", [])
        if not containers or any(not each.get("image") or each["image"] != each["image"].strip() for each in containers):
            raise Refused(422, "Invalid", f'Deployment.apps "{name}" is invalid: spec.template.spec.containers[0].image: Required value')

    def _list(self, plural: str, namespace: str, selector: str) -> Json:
        if plural == "endpointslices" and not self.frozen:
            self._endpoints(namespace)
        found = [each for each in self.items(plural, namespace) if _matches(selector, each["metadata"].get("labels", {}))]
        return {"kind": f"{KINDS[plural]}List", "apiVersion": f"{GROUPS[plural]}/v1".lstrip("/"), "metadata": {"resourceVersion": "1"}, "items": found}

    def _endpoints(self, namespace: str) -> None:
        for service in self.items("services", namespace):
            name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
            pods = [each for each in self.items("pods", namespace) if selector.items() <= each["metadata"].get("labels", {}).items()]
            ends = [{"targetRef": {"kind": "Pod", "name": each["metadata"]["name"]}, "conditions": {"ready": _pod_ready(each)}} for each in pods]
            slice_ = {
                "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": ends,
            }
            self._store("endpointslices", slice_)

    def _may(self, token: str, verb: str, group: str, plural: str, name: str) -> bool:
        rules = self.users[token]
        if rules is None:
            return True
        return any(
            verb in each["verbs"]
            and group in each["apiGroups"]
            and plural in each["resources"]
            and (not each.get("resourceNames") or name in each["resourceNames"])
            for each in rules
        )


def kubeconfig(url: str, user: Json, namespace: str = "default", cluster: Json | None = None) -> Json:
    """A kubeconfig with one of each."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }


def certificate(at: Path, name: str = "server") -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one PEM file; the test ends where there is no openssl."""
    openssl = shutil.which("openssl") or need("openssl", "it is not on the PATH")
    key, signed, both = at / f"{name}.key", at / f"{name}.crt", at / f"{name}.pem"
    what = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([openssl, "req", "-x509", *curve, *what, "-keyout", str(key), "-out", str(signed)], check=True, capture_output=True)
    both.write_text(key.read_text() + signed.read_text())
    return both


def _labels(labels: Mapping[str, object], where: str) -> None:
    for value in labels.values():
        if not isinstance(value, str) or len(value) > 63 or not LABEL.fullmatch(value):
            raise Refused(422, "Invalid", f"{where}: Invalid value: {value!r}: a valid label must be an empty string or consist of alphanumeric characters")


def _matches(selector: str, labels: Mapping[str, str]) -> bool:
    wanted = [part.partition("=") for part in selector.split(",") if part]
    return all(labels.get(key) == value for key, _, value in wanted)


def _pod_ready(pod: Json) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))


def _send(http: BaseHTTPRequestHandler, code: int, body: Json, headers: Mapping[str, str]) -> None:
    _write(http, code, json.dumps(body).encode(), headers)


def _write(http: BaseHTTPRequestHandler, code: int, raw: bytes, headers: Mapping[str, str]) -> None:
    http.send_response(code)
    for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(raw))}.items():
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(raw)


def _resources(group: str, *plurals: str) -> Json:
    found = [
        {"name": each, "singularName": "", "namespaced": True, "kind": KINDS[each], "verbs": ["get", "list", "patch"], "shortNames": []} for each in plurals
    ]
    return {"kind": "APIResourceList", "groupVersion": group, "resources": found}


DISCOVERY: dict[str, Json] = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}], "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}
        ],
    },
    "/api/v1": _resources("v1", "services", "pods"),
    "/apis/apps/v1": _resources("apps/v1", "deployments", "replicasets"),
}
