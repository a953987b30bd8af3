"""Who else writes an object: what is switched under a GitOps controller or an operator is put back, often within seconds."""

from watchtower.rollback_targets._kubernetes_json import Object, listed, mapping, text

_ARGO, _FLUX = "Argo CD", "Flux"
_MARKS = {
    "argocd.argoproj.io/instance": _ARGO,
    "argocd.argoproj.io/tracking-id": _ARGO,
    "kustomize.toolkit.fluxcd.io/name": _FLUX,
    "helm.toolkit.fluxcd.io/name": _FLUX,
    "argo-rollouts.argoproj.io/managed-by-rollouts": "Argo Rollouts",
}
_MANAGERS = {
    "argocd-controller": _ARGO,
    "argocd-application-controller": _ARGO,
    "kustomize-controller": _FLUX,
    "helm-controller": _FLUX,
}


def owner(found: Object) -> str:
    """Who owns *found* and what shows it, "" where nobody is seen to.

    Labels and annotations of Argo CD, Flux and Argo Rollouts; the field managers of Argo CD and Flux (which are there with Argo CD's default label
    `app.kubernetes.io/instance` too, a label that Helm writes as well and that alone says nothing); a controller among the owner references.
    """
    for kind in ("labels", "annotations"):
        for key, who in _MARKS.items():
            if key in mapping(found, "metadata", kind):
                return f"{who} owns it ({kind[:-1]} {key}: {text(found, 'metadata', kind, key)})"
    for entry in listed(found, "metadata", "managedFields"):
        if (manager := text(entry, "manager")) in _MANAGERS:
            return f"{_MANAGERS[manager]} owns it (field manager {manager})"
    for reference in listed(found, "metadata", "ownerReferences"):
        if reference.get("controller") is True:
            return f"the {text(reference, 'kind')} {text(reference, 'name')} owns it (ownerReferences)"
    return ""
