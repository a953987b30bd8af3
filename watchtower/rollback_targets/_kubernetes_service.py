"""A Service between two colours: its selector says which version's pods get the traffic."""

from collections.abc import Mapping, Sequence

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets._kubernetes_api import ENDPOINT_SLICES, PODS, SERVICES, Api
from watchtower.rollback_targets._kubernetes_json import Object, at, listed, mapping, pointer, text
from watchtower.rollback_targets._kubernetes_naming import Naming
from watchtower.rollback_targets._kubernetes_session import Change, ObjectSession


class ServiceSession(ObjectSession):
    """An open Service."""

    resource = SERVICES

    def __init__(self, api: Api, name: str, naming: Naming, *, seconds: float) -> None:
        super().__init__(api, name, seconds=seconds)
        self._naming = naming
        self._key = naming.selector or ""

    def named(self, found: Object) -> str | None:
        """The version that the selector names, None where its key is missing."""
        selector = mapping(found, "spec", "selector")
        if not selector:
            msg = f"{self.what} has no selector: its endpoints are made by somebody else"
            raise RollbackError(msg)
        value = selector.get(self._key)
        if value is None:
            return None
        version = self._naming.read(str(value))
        if version is None:
            msg = f"{self.what} selects {self._key}={value}, which is not as {self._naming.written!r} says"
            raise RollbackError(msg)
        return version

    def token(self, found: Object) -> str:
        """The Service's uid and resourceVersion: nothing but a write of the Service changes it (its endpoints are objects of their own)."""
        return f"{text(found, 'metadata', 'uid')}/{text(found, 'metadata', 'resourceVersion')}"

    def told(self, found: Object) -> Mapping[str, object]:
        """Its whole selector."""
        return {"selector": dict(mapping(found, "spec", "selector"))}

    def change(self, found: Object, candidate: str) -> Change:
        """The one key of the selector; RollbackError where no pod of *candidate* is ready: the traffic would go nowhere."""
        value = self._naming.spell(candidate)
        ready = self._pods(found, value)
        if not ready:
            msg = f"{self.what}: no pod with {self._selecting(found, value)} is ready, so the traffic would go nowhere"
            raise RollbackError(msg)
        path = pointer("spec", "selector", self._key)
        detail = {"path": path, "from": at(found, "spec", "selector", self._key), "to": value, "ready_pods": len(ready)}
        old = at(found, "spec", "selector", self._key)
        if old is None:
            return Change([{"op": "add", "path": path, "value": value}], detail)
        return Change([{"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": value}], detail)

    def arrived(self, found: Object, candidate: str, before: Object) -> str:  # noqa: ARG002  a selector knows no rollout
        """Whether every ready endpoint is a pod of *candidate*."""
        served: set[str] = set()
        try:
            pods = {text(each, "metadata", "name") for each in self._api.items(PODS, self._selecting(found, self._naming.spell(candidate)))}
            for each in self._api.items(ENDPOINT_SLICES, f"kubernetes.io/service-name={self._name}"):
                served |= {text(end, "targetRef", "name") for end in listed(each, "endpoints") if at(end, "conditions", "ready") is not False}
        except RollbackError as away:  # the switch is made: only the time limit ends the waiting
            return str(away)
        if not served:
            return "it has no ready endpoint yet"
        return f"{len(served - pods)} of its {len(served)} endpoints are still other pods" if served - pods else ""

    def hindrance(self, found: Object) -> str:  # noqa: ARG002  a Service cannot be paused
        """Nothing of its own."""
        return ""

    def permissions(self) -> Sequence[str]:
        """Reading and patching it, and listing what gets its traffic."""
        asked = [self._api.denied(verb, SERVICES, self._name) for verb in ("get", "patch")]
        asked += [self._api.denied("list", resource) for resource in (PODS, ENDPOINT_SLICES)]
        return [each for each in asked if each]

    def _selecting(self, found: Object, value: str) -> str:
        wanted = {**mapping(found, "spec", "selector"), self._key: value}
        return ",".join(f"{key}={each}" for key, each in sorted(wanted.items()))

    def _pods(self, found: Object, value: str) -> list[Object]:
        return [each for each in self._api.items(PODS, self._selecting(found, value)) if _ready(each)]


def _ready(pod: Object) -> bool:
    true = any(text(each, "type") == "Ready" and text(each, "status") == "True" for each in listed(pod, "status", "conditions"))
    return true and not text(pod, "metadata", "deletionTimestamp")
