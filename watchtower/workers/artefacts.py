"""Artefacts that are still what they were when they were first seen, and what is known of the versions that they are of."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from watchtower.core import changes, versions
from watchtower.core.changes import Known
from watchtower.core.versions import Standing
from watchtower.model_stores import Artefact, ModelStore
from watchtower.nouns.errors import ShadowError
from watchtower.store import Store
from watchtower.store.artefacts import ArtefactRows

log = logging.getLogger(__name__)
ASKED_AGAIN = timedelta(minutes=10)


@dataclass(slots=True)
class FirstSeen:
    """Records the digests of what serves and of what may be gone back to, when they first do, so that a later change shows.

    Attributes:
        artifacts: where a model's artefacts are; None: nowhere.
    """

    store: Store
    artifacts: Callable[[str], ModelStore | None]
    _missed: dict[tuple[str, str], str] = field(default_factory=dict)

    def step(self, now: datetime) -> bool:  # noqa: ARG002  what every worker takes
        """Looks for versions without a record; True where one was recorded. What cannot be had is looked for again, and logged once."""
        found = [self._record(model, version) for model in sorted(self.store.references.models()) for version in self._wanted(model)]
        return any(found)

    def _wanted(self, model: str) -> Iterable[str]:
        served = self.store.evaluations.memory(model).served
        if served.live is None or self.artifacts(model) is None:
            return ()
        known = dict.fromkeys((served.live, *versions.candidates(served, Standing())))
        return [version for version in known if self.store.artefacts.recorded(model, version) is None]

    def _record(self, model: str, version: str) -> bool:
        artifacts = self.artifacts(model)
        assert artifacts is not None
        try:
            artefact = artifacts.open().fetch(version)
        except ShadowError as missing:
            if self._missed.get((model, version)) != str(missing):
                log.warning("artefact_missing model=%s version=%s reason=%s", model, version, missing)
            self._missed[model, version] = str(missing)
            return False
        self.store.artefacts.first_seen(model, version, artefact.sha256)
        log.info("artefact_recorded model=%s version=%s sha256=%s bytes=%d", model, version, artefact.sha256, artefact.size)
        return True


@dataclass(slots=True)
class Made:
    """When versions were made: what is known is remembered, what is not is asked again ten minutes later, since a store may be far away."""

    _known: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _asked: dict[tuple[str, str], float] = field(default_factory=dict)

    def of(self, model: str, artifacts: ModelStore, named: Iterable[str]) -> dict[str, datetime]:
        """Those of the versions *named* that say when they were made."""
        found = {version: self._one(model, artifacts, version) for version in named}
        return {version: when for version, when in found.items() if when is not None}

    def _one(self, model: str, artifacts: ModelStore, version: str) -> datetime | None:
        key, now = (model, version), monotonic()
        if key not in self._known and now >= self._asked.get(key, now):
            self._asked[key] = now + ASKED_AGAIN.total_seconds()
            when = artifacts.open().created(version)
            if when is not None:
                self._known[key] = when
        return self._known.get(key)


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
