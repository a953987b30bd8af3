"""What `watchtower freeze`, `thaw` and `clear` do: beside a running daemon, or without one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from watchtower.config.reader import read_settings
from watchtower.config.settings import Settings
from watchtower.core import wording
from watchtower.core.guards import Freeze
from watchtower.edges.clock import Clock
from watchtower.nouns.errors import ConfigError, Problem
from watchtower.nouns.place import Place
from watchtower.programs.people import origin, who
from watchtower.store import Store
from watchtower.store.freezes import EVERY, freeze_json


@dataclass(frozen=True, slots=True)
class Made:
    """A freeze that was put in place."""

    freeze: Freeze
    daemon: bool

    def sentence(self) -> str:
        """What happened, for people."""
        it = self.freeze
        until = "until it is thawed" if it.until is None else f"until {wording.moment(it.until)}"
        beside = "" if self.daemon else " (no daemon runs; the next one finds it)"
        return f"{it.model or 'every model'} is frozen {until}: evidence is gathered and told, nothing is switched{beside}"

    def plain(self) -> dict[str, object]:
        """For ``--json``."""
        return {"frozen": freeze_json(self.freeze), "daemon": self.daemon}


@dataclass(slots=True)
class FreezeDesk:
    """The kill switch in one store."""

    settings: Settings
    store: Store
    file: Path
    clock: Clock

    @classmethod
    @contextmanager
    def opened(cls, file: Path) -> Iterator["FreezeDesk"]:
        """Over the store that the settings in *file* name; made where there is none yet."""
        settings, clock = read_settings(file).settings, Clock()
        store = Store.open(settings.store.url, now=clock.now)
        try:
            yield cls(settings, store, file, clock)
        finally:
            store.close()

    def freeze(self, model: str, reason: str, lasting: timedelta | None) -> Made:
        """Freezes *model* ("": every one), for *lasting* (None: until it is thawed). ConfigError where nobody knows the model."""
        self._known(model)
        now = self.clock.now()
        it = Freeze(model, who(), now, origin(), reason, None if lasting is None else now + lasting)
        self.store.freezes.freeze(it)
        return Made(it, self.store.lease.is_held_somewhere())

    def thaw(self, model: str) -> tuple[bool, Sequence[Freeze]]:
        """Whether *model* had been frozen, and what still is."""
        now = self.clock.now()
        thawed = self.store.freezes.thaw(model, by=who(), origin=origin(), now=now)
        return thawed, self.store.freezes.all(now)

    def clear(self, model: str, version: str) -> tuple[bool, Sequence[str]]:
        """Whether *version* had been rolled back from, and which others still are."""
        cleared = self.store.freezes.clear(model, version, by=who(), origin=origin(), now=self.clock.now())
        return cleared, self.store.evaluations.memory(model).served.rolled_back_from

    def _known(self, model: str) -> None:
        known = {*self.settings.models, *self.store.references.models(), *self.store.references.ids()} - {"*"}
        if model != EVERY and model not in known:
            names = ", ".join(sorted(known)) or "none yet"
            raise ConfigError([Problem(Place(str(self.file)), f"no model {model!r} is configured, and none was ever read", f"models: {names}")])
