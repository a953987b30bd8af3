"""Artefacts that are still what they were when they were first seen, and what is known of the versions that they are of."""

from watchtower.core import changes
from watchtower.core.changes import Known
from watchtower.model_stores import Artefact, ModelStore
from watchtower.nouns.errors import ShadowError
from watchtower.store import Store
from watchtower.store.artefacts import ArtefactRows


def verified(store: Store, artifacts: ModelStore, model: str, version: str) -> Artefact:
    """The artefact of *version*, if it is what it was when it was first seen; ShadowError else, or where it cannot be had."""
    artefact = artifacts.open().fetch(version)
    unchanged(store.artefacts, model, artefact)
    return artefact


def unchanged(rows: ArtefactRows, model: str, artefact: Artefact) -> None:
    """Records the digest of an artefact that is seen for the first time.

    ShadowError where it is not the one that was first seen, and its metadata do not record that it is meant to be this one.
    """
    seen = rows.first_seen(model, artefact.version, artefact.sha256)
    if seen.sha256 == artefact.sha256 or "sha256" in artefact.metadata:
        return
    was = f"sha256 {seen.sha256[:12]}… when it was first seen ({seen.at:%Y-%m-%d %H:%M} UTC), {artefact.sha256[:12]}… now"
    msg = f"the artefact of version {artefact.version} changed: {was}; if that is meant: watchtower clear {model}/{artefact.version}"
    raise ShadowError(msg)


def changed(artifacts: ModelStore | None, live: str, candidate: str | None) -> dict[str, object]:
    """What changed between *live* and *candidate*, as plain JSON values; empty where nothing can be known of either. See core/changes.py."""
    if artifacts is None or candidate is None:
        return {}
    session = artifacts.open()
    try:
        one, other = (_known(session.fetch(version)) for version in (live, candidate))
    except ShadowError:
        return {}
    return changes.changed(one, other)


def _known(artefact: Artefact) -> Known:
    return Known(artefact.version, artefact.sha256, artefact.size, artefact.opset, artefact.metadata)
