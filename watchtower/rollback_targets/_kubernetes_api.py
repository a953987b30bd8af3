"""One Kubernetes API server: bounded calls, told in sentences."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets._kubernetes_json import Object, Operation, at, mapping, text
from watchtower.rollback_targets._kubernetes_login import Answering, Login, login, needed

TRIES = 4
LARGEST = 64_000_000
LONGEST_WAIT = 5.0
"""The most seconds that a Retry-After is followed."""
_PIECE = 1 << 16
_LONGEST_WORDS = 500
_AGAIN = frozenset({429, 500, 502, 503, 504})
_MANAGER = "watchtower"
_ROLES = "deploy/kubernetes/rbac.yaml has a Role that gives it"
_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, as paths and permissions call it."""

    group: str
    version: str
    plural: str

    @property
    def root(self) -> str:
        """The path above the namespace."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


DEPLOYMENTS = Resource("apps", "v1", "deployments")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
SERVICES = Resource("", "v1", "services")
PODS = Resource("", "v1", "pods")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API server said: *status* 0 where no answer came, so that nobody knows whether it acted; *why* in words of its own."""

    status: int
    body: Object
    why: str = ""
    after: float | None = None

    @property
    def fine(self) -> bool:
        """Whether it did as asked."""
        return 200 <= self.status < 300

    @property
    def unknown(self) -> bool:
        """Whether it may or may not have acted."""
        return self.status == 0 or self.status >= 500


class Api:
    """A connection; logs in at the first call, and once more where the credentials have expired."""

    def __init__(self, kubeconfig: str | None, context: str | None, namespace: str | None, *, seconds: float) -> None:
        """*seconds*: how long one answer may take."""
        needed()
        self._from = (kubeconfig, context)
        self._namespace = namespace
        self._seconds = seconds
        self._login: Login | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the settings, else the credentials' own."""
        return self._namespace or self._who().namespace

    def get(self, resource: Resource, name: str) -> Object:
        """One object; RollbackError where it is not there or cannot be read."""
        return self._read(resource, f"/{name}", {}, f"{resource.plural} {self.namespace}/{name}")

    def items(self, resource: Resource, selector: str) -> list[Object]:
        """The objects that a label *selector* finds; RollbackError where they cannot be listed."""
        found = self._read(resource, "", {"labelSelector": selector}, f"{resource.plural} of {self.namespace}")
        listing = at(found, "items")
        return [mapping(each) for each in listing] if isinstance(listing, list) else []

    def patch(self, resource: Resource, name: str, operations: Sequence[Operation], *, dry_run: bool) -> Reply:
        """A JSON Patch, or its server-side dry run; tried again only where the server said that it did not look at it (429)."""
        query = {"fieldManager": _MANAGER} | ({"dryRun": "All"} if dry_run else {})
        for again in range(TRIES):
            reply = self._ask("PATCH", self._path(resource, f"/{name}", query), operations, _PATCH)
            if reply.status != 429 or again == TRIES - 1:
                break
            _rest(reply, again)
        return reply

    def denied(self, verb: str, resource: Resource, name: str = "") -> str:
        """Why we may not *verb* (SelfSubjectAccessReview), "" where we may."""
        attributes = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": self.namespace} | ({"name": name} if name else {})
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        reply = self._persist("POST", _REVIEWS, review)
        if not reply.fine:
            return f"whether we may {verb} {resource.plural} cannot be told: {self._host()} answered {_said(reply)}"
        if at(reply.body, "status", "allowed") is True:
            return ""
        which = f"{resource.plural}{f'/{name}' if name else ''}"
        return f"permission is missing: {verb} {which} in namespace {self.namespace} ({_ROLES})"

    def refusal(self, reply: Reply, what: str) -> RollbackError:
        """*reply* as a sentence that says *what* did not come about."""
        hint = {401: ": the credentials are not valid", 403: ": permission is missing (deploy/kubernetes/rbac.yaml has a Role that gives it)"}.get(
            reply.status, ""
        )
        return RollbackError(f"{what}: {self._host()} answered {_said(reply)}{hint}", retryable=reply.unknown or reply.status in _AGAIN)

    def close(self) -> None:
        """Lets go of the connections."""
        if self._login is not None:
            self._login.pool.clear()
            self._login = None

    def _read(self, resource: Resource, rest: str, query: Mapping[str, str], what: str) -> Object:
        reply = self._persist("GET", self._path(resource, rest, query))
        if not reply.fine:
            raise self.refusal(reply, f"{what} cannot be read")
        return reply.body

    def _persist(self, method: str, path: str, body: object = None) -> Reply:
        """A call that changes nothing, tried again where that may help."""
        for again in range(TRIES):
            reply = self._ask(method, path, body)
            if (reply.status not in _AGAIN and reply.status != 0) or again == TRIES - 1:
                break
            _rest(reply, again)
        return reply

    def _ask(self, method: str, path: str, body: object = None, content: str = "application/json") -> Reply:
        """One call, and one more after a new login where the credentials are not taken: a token rotates, a plugin's expires."""
        fresh = self._login is None
        reply = self._send(method, path, body, content)
        if reply.status == 401 and not fresh:
            self.close()
            reply = self._send(method, path, body, content)
        return reply

    def _send(self, method: str, path: str, body: object, content: str) -> Reply:
        from urllib3 import Timeout  # noqa: PLC0415  comes with the optional client library
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  as above

        who = self._who()
        headers = {"Accept": "application/json", "User-Agent": "watchtower"} | ({"Content-Type": content} if body is not None else {})
        if bearer := who.bearer():
            headers["Authorization"] = bearer
        sent = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + self._seconds
        try:
            answer = who.pool.request(
                method, who.host + path, body=sent, headers=headers, timeout=Timeout(total=self._seconds), retries=False, redirect=False, preload_content=False
            )
            return _reply(answer, _whole(answer, until), bearer)
        except (HTTPError, OSError) as away:
            return Reply(0, {}, f"nothing ({type(away).__name__})")

    def _who(self) -> Login:
        if self._login is None:
            self._login = login(*self._from)
        return self._login

    def _host(self) -> str:
        return self._login.host if self._login else "the API server"

    def _path(self, resource: Resource, rest: str, query: Mapping[str, str]) -> str:
        return f"{resource.root}/namespaces/{self.namespace}/{resource.plural}{rest}" + (f"?{urlencode(query)}" if query else "")


def _whole(answer: Answering, until: float) -> bytes:
    """All of the body; a socket's time-out alone would let a server that drips hold us for ever."""
    read = bytearray()
    while piece := answer.read1(_PIECE):
        read += piece
        if len(read) > LARGEST or time.monotonic() > until:
            answer.close()
            raise TimeoutError
    answer.release_conn()
    return bytes(read)


def _reply(answer: Answering, body: bytes, bearer: str) -> Reply:
    """*answer* with its own words, cut, and without the credentials that a proxy may repeat in them."""
    try:
        found = mapping(json.loads(body))
    except (ValueError, RecursionError):
        if answer.status < 300:
            return Reply(0, {}, "something that is no JSON")
        found = {}
    after = answer.headers.get("Retry-After", "") if isinstance(answer.headers, Mapping) else ""
    seconds = float(after) if str(after).isdigit() else None
    secret = bearer.rpartition(" ")[2]
    words = text(found, "message") if answer.status >= 300 else ""
    return Reply(answer.status, found, (words.replace(secret, "[hidden]") if secret else words)[:_LONGEST_WORDS], seconds)


def _said(reply: Reply) -> str:
    return " ".join(part for part in (str(reply.status) if reply.status else "", reply.why) if part)


def _rest(reply: Reply, again: int) -> None:
    time.sleep(min(LONGEST_WAIT, reply.after if reply.after is not None else 0.1 * 2**again))
