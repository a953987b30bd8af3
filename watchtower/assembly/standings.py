"""What a model's settings say about acting."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from watchtower.config.settings import ModelSettings, Settings
from watchtower.core.versions import Standing
from watchtower.line import Response
from watchtower.model_stores import Artefact, ModelStore
from watchtower.nouns.limits import Limits
from watchtower.nouns.settings import GuardSettings
from watchtower.rollback_targets import RollbackTarget
from watchtower.workers.artefacts import Made
from watchtower.workers.guarding import Steering

LEAST_VERIFY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standings:
    """What a model's settings say about acting, read from settings and from the artefacts' metadata."""

    settings: Settings
    made: Made = field(default_factory=Made)

    def response(self, model: str) -> Response:
        """For the line: who is healthy, which target, who must approve."""
        its = self.settings.model(model)
        return Response(
            standing=Standing(its.healthy, its.unhealthy, self._created(model, its)),
            target=its.rollback.target.kind_name() if its.rollback is not None else "",
            approval_required=its.rollback is not None and its.rollback.approval == "required",
            quiet=self.settings.incidents.quiet,
            max_age=(its.rollback.guards if its.rollback is not None else GuardSettings()).max_age,
            aborts_canaries=its.rollback is not None and its.rollback.target.aborts_canaries,
            limits=self.limits(model),
            resolve_within=None if its.rollback is None else its.rollback.resolve_within,
            retrains=its.retrain is not None,
        )

    def limits(self, model: str) -> Limits:
        """How long the steps of a plan of *model* may take."""
        its = self.settings.model(model).rollback
        usual = max(LEAST_VERIFY, 10 * self.settings.window.size)
        if its is None:
            return Limits(verify_within=usual, resolve_within=usual)
        return Limits(its.approval_within, its.verify_within or usual, its.resolve_within or usual, its.forward, its.reach_within)

    def _created(self, model: str, its: ModelSettings) -> dict[str, datetime]:
        return {} if its.artifacts is None else self.made.of(model, its.artifacts, its.healthy)

    def steering(self, model: str) -> Steering:
        """For the actions: target, guards, deadlines."""
        its = self.settings.model(model)
        if its.rollback is None:
            return Steering()
        fetch = None if its.artifacts is None else partial(_fetched, its.artifacts)
        target, place = partial(its.rollback.target.open_for, model), _place(its.rollback.target)
        return Steering(target, its.rollback.guards, place, fetch, its.shadow.runner.NEEDS_ARTEFACT)


def _fetched(artifacts: ModelStore, version: str) -> Artefact:
    """The version's artefact, verified now."""
    return artifacts.open().fetch(version)


def _place(target: RollbackTarget) -> str:
    """What a target switches: its namespace where it has one, since what lives there shares its fate; else what its settings say, secrets left out."""
    if "namespace" in type(target).model_fields:
        return f"{target.kind_name()} {getattr(target, 'context', None)} {getattr(target, 'namespace', None)}"
    return f"{target.kind_name()} {hashlib.sha256(target.model_dump_json().encode()).hexdigest()}"
