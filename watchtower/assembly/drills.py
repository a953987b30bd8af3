"""Drills: which models, and what the settings say of going back."""

from collections.abc import Callable

from watchtower.assembly.standings import Standings
from watchtower.config.settings import Settings
from watchtower.edges.metrics import Metrics
from watchtower.nouns.drill import NO_DRILL, Drilled
from watchtower.store import Store
from watchtower.workers.drills import Course, Drills


def build_drills(settings: Settings, store: Store, metrics: Metrics) -> Drills:
    """Not yet drilled; what the last process found is what metrics say until then."""

    def course(model: str) -> Course | None:
        target = Standings(settings).steering(model).target
        if target is None:
            return None
        return Course(target, settings.model(model).artifacts, Standings(settings).response(model).standing)

    def heard(drilled: Drilled) -> None:
        metrics.rollback_ready(drilled.model, ready=drilled.ready)

    for drilled in store.drills.all():
        if settings.model(drilled.model).rollback is not None:
            heard(drilled)
    return Drills(store, course, settings.drill.every, heard)


def build_ready(settings: Settings, store: Store) -> Callable[[str], float | str]:
    """What the measure `version.rollback_ready` reads: 1 or 0, or that there was no drill, or nothing to go back with any more."""

    def ready(model: str) -> float | str:
        drilled = None if settings.model(model).rollback is None else store.drills.load(model)
        return NO_DRILL if drilled is None else float(drilled.ready)

    return ready
