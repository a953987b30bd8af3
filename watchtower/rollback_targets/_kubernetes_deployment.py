"""A Deployment: back to a revision, as `kubectl rollout undo --to-revision` does, or one value of its template."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets._kubernetes_api import DEPLOYMENTS, REPLICA_SETS, Api
from watchtower.rollback_targets._kubernetes_json import Object, at, listed, mapping, pointer, selecting, text, whole
from watchtower.rollback_targets._kubernetes_naming import TEMPLATE, Naming, in_template
from watchtower.rollback_targets._kubernetes_rollout import late_since, rollout
from watchtower.rollback_targets._kubernetes_session import Change, ObjectSession

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
_CONTROLLERS = "deployment.kubernetes.io/"
KEPT = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)
"""Annotations that an undo takes from the Deployment and never from the ReplicaSet (kubectl's `annotationsToSkip`)."""


class DeploymentSession(ObjectSession):
    """An open Deployment. It never writes `replicas`: those are a HorizontalPodAutoscaler's, where there is one."""

    resource = DEPLOYMENTS

    def __init__(self, api: Api, name: str, naming: Naming, container: str | None, *, by_revision: bool, seconds: float) -> None:  # noqa: PLR0913  the settings' own fields
        super().__init__(api, name, seconds=seconds)
        self._naming = naming
        self._container = container
        self._by_revision = by_revision

    def named(self, found: Object) -> str | None:
        """The version that the pod template names; RollbackError where something else stands there."""
        site = in_template(self._naming, self._container, found)
        if site.value is None:
            return None
        version = self._naming.read(site.value)
        if version is None:
            msg = f"{self.what} has {site.value!r} at {pointer(*site.path)}, which is not as {self._naming.written!r} says"
            raise RollbackError(msg)
        return version

    def token(self, found: Object) -> str:
        """The Deployment's uid, its revision, and a digest of its spec without `replicas` and of its annotations without the controller's own.

        Not the resourceVersion, which every status changes, nor the generation, which an autoscaler changes with `replicas`.
        Going away and coming back to the same template shows in the revision, which the controller counts up for each; a template that was written and
        written back before the controller had seen it never served.
        """
        spec = {key: value for key, value in mapping(found, "spec").items() if key != "replicas"}
        annotations = mapping(found, "metadata", "annotations")
        own = {key: value for key, value in annotations.items() if not key.startswith(_CONTROLLERS)}
        digest = hashlib.sha256(json.dumps([spec, own], sort_keys=True).encode()).hexdigest()[:16]
        return f"{text(found, 'metadata', 'uid')}/{text(annotations, REVISION) or '0'}/{digest}"

    def told(self, found: Object) -> Mapping[str, object]:
        """Its revision, generation and images, and how kubectl would come back to it."""
        revision = text(found, "metadata", "annotations", REVISION)
        images = [text(each, "image") for each in listed(found, *TEMPLATE, "spec", "containers")]
        undo = f"kubectl rollout undo deployment/{self._name} --namespace {self._api.namespace} --to-revision={revision}" if revision else ""
        return {"revision": revision, "generation": whole(found, "metadata", "generation"), "images": images, "undo": undo}

    def change(self, found: Object, candidate: str) -> Change:
        """The template of the candidate's ReplicaSet, or the one value that names it."""
        return self._undo(found, candidate) if self._by_revision else self._rewrite(found, candidate)

    def arrived(self, found: Object, candidate: str, before: Object) -> str:
        """Whether the rollout is complete; RollbackError where it missed its progress deadline or was paused."""
        now = rollout(found, stale=late_since(before))
        if now.failed:
            msg = f"{self.what} names {candidate}, and {now.failed}: {now.words}"
            raise RollbackError(msg)
        return "" if now.done else now.words

    def hindrance(self, found: Object) -> str:
        """Paused: the template would change and no pod with it."""
        if at(found, "spec", "paused") is True:
            return f"it is paused; resume it first (kubectl rollout resume deployment/{self._name})"
        return ""

    def permissions(self) -> Sequence[str]:
        """Reading and patching it, and listing ReplicaSets where one is gone back to."""
        asked = [self._api.denied("get", DEPLOYMENTS, self._name), self._api.denied("patch", DEPLOYMENTS, self._name)]
        if self._by_revision:
            asked.append(self._api.denied("list", REPLICA_SETS))
        return [each for each in asked if each]

    def _undo(self, found: Object, candidate: str) -> Change:
        """What `kubectl rollout undo --to-revision` sends: the ReplicaSet's template without the hash label, and its annotations."""
        source = self._replica_set(found, candidate)
        template = dict(mapping(source, *TEMPLATE))
        metadata = dict(mapping(template, "metadata"))
        metadata["labels"] = {key: value for key, value in mapping(metadata, "labels").items() if key != HASH}
        template["metadata"] = metadata
        kept = {key: value for key, value in mapping(found, "metadata", "annotations").items() if key in KEPT}
        annotations = kept | {key: value for key, value in mapping(source, "metadata", "annotations").items() if key not in KEPT}
        detail = {"to_revision": text(source, "metadata", "annotations", REVISION), "replica_set": text(source, "metadata", "name")}
        operations: list[dict[str, object]] = [{"op": "replace", "path": "/spec/template", "value": template}]
        if kept or annotations:
            known = at(found, "metadata", "annotations") is not None
            operations.append({"op": "replace" if known else "add", "path": "/metadata/annotations", "value": annotations})
        return Change(operations, detail)

    def _replica_set(self, found: Object, candidate: str) -> Object:
        """The newest revision that serves *candidate*, among those that this Deployment owns: labels alone may be another's."""
        uid = text(found, "metadata", "uid")
        owned = [each for each in self._api.items(REPLICA_SETS, selecting(mapping(found, "spec", "selector"))) if _owned(each, uid)]
        revisions = sorted(((_revision(each), self._served(each), each) for each in owned if _revision(each)), key=lambda each: each[0])
        serving = [each for _, version, each in revisions if version == candidate]
        if serving:
            return serving[-1]
        there = ", ".join(f"{revision} ({version or 'unknown'})" for revision, version, _ in revisions) or "none"
        limit = whole(found, "spec", "revisionHistoryLimit", default=10)
        msg = f"{self.what} has no revision that serves version {candidate}: there are {there} (revisionHistoryLimit is {limit})"
        raise RollbackError(msg)

    def _served(self, source: Object) -> str | None:
        try:
            site = in_template(self._naming, self._container, source)
        except RollbackError:  # an old template may have other containers: it serves none that we know
            return None
        return None if site.value is None else self._naming.read(site.value)

    def _rewrite(self, found: Object, candidate: str) -> Change:
        """One value of the template, guarded by a test of what stands there."""
        site = in_template(self._naming, self._container, found)
        self._plain(found, site.value or "")
        value = self._naming.spell(candidate)
        detail: dict[str, object] = {"path": pointer(*site.path), "from": site.value, "to": value}
        if site.value is None:
            room = site.path[:-1]
            if at(found, *room) is None:
                return Change([{"op": "add", "path": pointer(*room), "value": {site.path[-1]: value}}], detail)
            return Change([{"op": "add", "path": pointer(*site.path), "value": value}], detail)
        path = pointer(*site.path)
        return Change([{"op": "test", "path": path, "value": site.value}, {"op": "replace", "path": path, "value": value}], detail)

    def _plain(self, found: Object, value: str) -> None:
        if self._naming.pinned(value):
            msg = f"{self.what} pins its image to a digest ({value}), which a tag alone would lose: use by: revision"
            raise RollbackError(msg)
        if self._naming.label and self._naming.label in mapping(found, "spec", "selector", "matchLabels"):
            msg = f"{self.what} selects its pods by the label {self._naming.label}, which can never change: name the version elsewhere"
            raise RollbackError(msg)


def _owned(source: Object, uid: str) -> bool:
    return any(text(each, "uid") == uid and each.get("controller") is True for each in listed(source, "metadata", "ownerReferences"))


def _revision(source: Object) -> int:
    written = text(source, "metadata", "annotations", REVISION)
    return int(written) if written.isdigit() else 0
