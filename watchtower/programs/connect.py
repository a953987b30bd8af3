"""What `check --connect` does: looks whether everything outside answers, and changes nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from watchtower.config.settings import SQLITE, Settings
from watchtower.edges.clock import Clock
from watchtower.model_stores import ModelStore
from watchtower.nouns.errors import RollbackError, WatchtowerError
from watchtower.rollback_targets import RollbackTarget
from watchtower.sources import Source
from watchtower.store import Store


@dataclass(frozen=True, slots=True)
class Try:
    """One thing outside, and what it *said*."""

    what: str
    fine: bool
    said: str


def tried(settings: Settings, clock: Clock) -> Iterator[Try]:
    """Every source, the store, every notifier, meter, model store and target, in the order of the settings."""
    for source in settings.sources:
        yield _try(f"source {source.name or source.kind_name()}", source.look)
    if isinstance(settings.labels, Source):
        yield _try("labels", settings.labels.look)
    yield _try("store", lambda: _store(settings.store.url, clock))
    for name, notifier in settings.notifiers.items():
        yield _try(f"notifier {name}", notifier.look)
    for meter in settings.meters:
        yield _try(f"meter {meter.title()}", partial(meter.look, clock.now()))
    for name, model in settings.models.items():
        if model.artifacts:
            yield _try(f"artifacts of {name}", partial(_versions, model.artifacts))
        if model.retrain:
            yield _try(f"retrain of {name}", model.retrain.look)
        if model.rollback:
            yield _try(f"target of {name}", partial(_switchable, name, model.rollback.target, model.healthy))


def _versions(artifacts: ModelStore) -> str:
    return f"versions {', '.join(artifacts.open().versions()) or 'none'}"


def _switchable(name: str, target: RollbackTarget, healthy: Sequence[str]) -> str:
    """What *target* names, and whether it could be switched to the last listed healthy version beside that, or at least to what it names."""
    with closing(target.open_for(name)) as session:
        named = session.current()
        candidate = next((each for each in reversed(healthy) if each != named), named)
        in_the_way = session.ready(candidate) if candidate is not None else ()
    if in_the_way:
        msg = f"it names {named or 'no version'}, and going back to {candidate} would fail: {'; '.join(in_the_way)}"
        raise RollbackError(msg)
    return f"it names {named or 'no version'}" + (f"; going back to {candidate} would work" if candidate != named else "")


def _store(url: str, clock: Clock) -> str:
    file = Path(url.removeprefix(SQLITE))
    if url.startswith(SQLITE) and not file.exists() and file.parent.is_dir() and os.access(file.parent, os.W_OK):
        return f"{file} is not there yet; the daemon will make it"
    store = Store.open(url, read_only=True, now=clock.now)
    store.close()
    return "it can be read"


def _try(what: str, look: Callable[[], str]) -> Try:
    try:
        return Try(what, fine=True, said=look())
    except (WatchtowerError, OSError) as wrong:
        return Try(what, fine=False, said=str(wrong))
