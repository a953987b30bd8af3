"""How far a Deployment's rollout is, from its status: the questions of `kubectl rollout status`."""

from dataclasses import dataclass

from watchtower.rollback_targets._kubernetes_json import Object, at, listed, text, whole

_LATE = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Rollout:
    """*done*: every replica is of the new template and available, and no old one is left. *failed*: why it will not get there, "" while it may."""

    done: bool
    words: str
    failed: str = ""


def rollout(deployment: Object, *, stale: str = "") -> Rollout:
    """The rollout as *deployment*'s status tells it.

    Args:
        deployment: as the API server gave it.
        stale: the mark (:func:`late_since`) of a missed deadline that was there before the switch. It stays in the status until the new rollout makes its
            first step, already with the new observedGeneration, and says nothing of the new rollout.
    """
    if whole(deployment, "metadata", "generation") > whole(deployment, "status", "observedGeneration"):
        return Rollout(done=False, words="the deployment controller has not seen the change yet")
    if at(deployment, "spec", "paused") is True:
        return Rollout(done=False, words="it is paused", failed="somebody paused it")
    late = late_since(deployment)
    if late and late != stale:
        return Rollout(done=False, words=_words(deployment), failed=f"the rollout exceeded its progress deadline ({_LATE})")
    wanted = whole(deployment, "spec", "replicas", default=1)
    total, updated, available = (whole(deployment, "status", key) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    done = updated >= wanted and total <= updated and available >= updated
    return Rollout(done=done, words=_words(deployment))


def late_since(deployment: Object) -> str:
    """The mark of a missed progress deadline, "" where none is missed."""
    for condition in listed(deployment, "status", "conditions"):
        if text(condition, "type") == "Progressing" and text(condition, "reason") == _LATE:
            return text(condition, "lastUpdateTime") or _LATE
    return ""


def _words(deployment: Object) -> str:
    wanted = whole(deployment, "spec", "replicas", default=1)
    total, updated, available = (whole(deployment, "status", key) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return f"{updated} of {wanted} replicas updated, {available} available, {max(0, total - updated)} old"
