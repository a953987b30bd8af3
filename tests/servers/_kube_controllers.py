"""A small deployment controller: ReplicaSets with revisions, a status that goes forward one step a time, progress deadlines."""

import copy
import hashlib
import json
from typing import Any

Json = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
HASH = "pod-template-hash"
SKIPPED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
}


def plain(template: Json) -> Json:
    """A pod template without the hash label."""
    found = copy.deepcopy(template)
    found.get("metadata", {}).get("labels", {}).pop(HASH, None)
    return found


def replica_set(deployment: Json, revision: int) -> Json:
    """The ReplicaSet that a controller makes of *deployment*'s template."""
    meta, template = deployment["metadata"], copy.deepcopy(deployment["spec"]["template"])
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    template["metadata"].setdefault("labels", {})[HASH] = digest
    own = {key: value for key, value in meta.get("annotations", {}).items() if key not in SKIPPED}
    counts = {"deployment.kubernetes.io/desired-replicas": str(deployment["spec"]["replicas"]), "deployment.kubernetes.io/max-replicas": "3"}
    return {
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "labels": template["metadata"]["labels"],
            "annotations": {**own, **counts, REVISION: str(revision)},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True}
            ],
        },
        "spec": {"replicas": 0, "selector": {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"], HASH: digest}}, "template": template},
    }


def next_status(deployment: Json, *, sick: bool, patience: int, idle: int) -> Json:
    """The status one step later; *sick*: its pods never get ready. *idle* steps without progress beyond *patience* miss the deadline."""
    wanted, old = deployment["spec"]["replicas"], deployment["status"]
    status = {**old, "observedGeneration": deployment["metadata"]["generation"]}
    if not deployment["spec"].get("paused"):
        status |= _forward(wanted, old, sick=sick)
    moved = any(status.get(key) != old.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    complete = status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == wanted
    before = next((each for each in old.get("conditions", []) if each["type"] == "Progressing"), None)
    reason = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated" if moved else "ProgressDeadlineExceeded" if idle > patience else None
    if before and before["reason"] == "ProgressDeadlineExceeded" and not moved and not complete:
        reason = None  # as the real one: what was missed stays missed until the first step
    if reason and (before is None or before["reason"] != reason):
        since = f"2026-01-01T00:00:{int(deployment['metadata']['resourceVersion']) % 60:02}Z"
        status["conditions"] = [{"type": "Progressing", "status": str(reason != "ProgressDeadlineExceeded"), "reason": reason, "lastUpdateTime": since}]
    return status


def _forward(wanted: int, old: Json, *, sick: bool) -> Json:
    """One step: a new pod, then its readiness, then an old pod less."""
    total, updated, available = (old.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    if updated < wanted and total <= wanted:
        return {"replicas": total + 1, "updatedReplicas": updated + 1}
    healthy = updated if not sick else 0
    if available < min(healthy + max(0, total - updated), total):
        return {"availableReplicas": available + 1}
    if total > updated and not sick:
        return {"replicas": total - 1, "availableReplicas": min(available, total - 1)}
    if updated < wanted and not sick:
        return {"replicas": total + 1, "updatedReplicas": updated + 1}
    return {}
