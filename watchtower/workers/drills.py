"""Drills: would going back work now? The dry run of it, once a day and whenever live or candidate are others."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchtower.core import versions
from watchtower.core.versions import Standing
from watchtower.model_stores import ModelStore
from watchtower.nouns.drill import Drilled
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import TargetSession
from watchtower.store import Store
from watchtower.workers.artefacts import verified

log = logging.getLogger(__name__)
AGAIN = timedelta(minutes=15)
"""After a drill that failed the next one comes this soon: somebody may be mending it."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a drill of one model tries: its target, where its artefacts are (None: nowhere), and who is healthy."""

    target: Callable[[], TargetSession]
    artifacts: ModelStore | None
    standing: Standing


@dataclass(slots=True)
class Drills:
    """Drills every model that has a rollback target and traffic.

    Attributes:
        course: what is tried for a model; None where it has no target.
        every: how often; also once after the start, and when the live version or the candidate is another one.
        heard: told of every drill (metrics).
    """

    store: Store
    course: Callable[[str], Course | None]
    every: timedelta
    heard: Callable[[Drilled], None] = field(default=lambda _drilled: None)
    _last: dict[str, Drilled] = field(default_factory=dict)

    def step(self, now: datetime) -> bool:
        """Drills what is due; True where something was. A model whose rollback is under way is left alone."""
        under_way = {plan.model for plan in self.store.plans.open_plans()}
        done = [model for model in sorted(self.store.references.models() - under_way) if self._drilled(model, now)]
        return bool(done)

    def _drilled(self, model: str, now: datetime) -> bool:
        course = self.course(model)
        served = self.store.evaluations.memory(model).served
        if course is None or served.live is None:
            return False
        candidate = next(iter(versions.candidates(served, course.standing)), None)
        if not self._due(model, served.live, candidate, now):
            return False
        drilled = Drilled(model, now, served.live, candidate, tuple(dict.fromkeys(_reasons(self.store, course, served.live, candidate, model))))
        before, self._last[model] = self._last.get(model), drilled
        self.store.drills.save(drilled)
        if before is None or before.reasons != drilled.reasons:
            log.log(logging.INFO if drilled.ready else logging.WARNING, "rollback_drilled model=%s ready=%s reasons=%s", model, drilled.ready, drilled.reasons)
        self.heard(drilled)
        return True

    def _due(self, model: str, live: str, candidate: str | None, now: datetime) -> bool:
        last = self._last.get(model)
        if last is None or (last.live, last.candidate) != (live, candidate):
            return True
        return now - last.at >= (self.every if last.ready else min(self.every, AGAIN))


def _reasons(store: Store, course: Course, live: str, candidate: str | None, model: str) -> Iterator[str]:
    """Why a rollback from *live* to *candidate* could not be done now."""
    if candidate is None:
        yield f"no healthy version to go back to from {live}: declare one (healthy:), or wait until one was live for {versions.HEALTHY_AFTER} windows"
        return
    if course.artifacts is not None:
        artifacts = course.artifacts
        yield from _tried(f"the artefact of version {candidate}", lambda: _fetched(store, artifacts, model, candidate))
    yield from _tried("the target", lambda: _asked(course.target, live, candidate, model))


def _tried(what: str, ask: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What *ask* finds wrong, or that it could not be asked at all: whatever a target or a store raises is a reason, and no end of the drill."""
    try:
        return ask()
    except Exception as bad:  # noqa: BLE001  the kinds of others are called here, and a drill that ends unseen is worse
        return [f"{what}: {bad}"]


def _fetched(store: Store, artifacts: ModelStore, model: str, candidate: str) -> Sequence[str]:
    verified(store, artifacts, model, candidate)
    return ()


def _asked(target: Callable[[], TargetSession], live: str, candidate: str, model: str) -> Sequence[str]:
    with closing(target()) as session:
        found = list(session.ready(candidate))
        state = session.state()
        if state.version != live:
            return [*found, f"the target names {state.version or 'no version'}, the traffic shows {live}"]
        try:
            session.switch_to(candidate, expected=live, token=state.token, key=f"drill-{model}", dry_run=True)
        except RollbackError as refused:
            found.append(f"the dry run was refused: {refused}")
    return found
