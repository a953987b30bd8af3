"""Where people say yes and no, freeze and thaw, and ask to go back by hand."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from watchtower.assembly.standings import Standings
from watchtower.config.settings import Settings
from watchtower.edges.freeze_series import FreezeSeries
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.facts import Fact
from watchtower.nouns.plan import Move, Plan
from watchtower.store import Store
from watchtower.store.freezes import EVERY
from watchtower.web.actions_api import ActionsDesk
from watchtower.web.tokens import Tokens
from watchtower.workers.actions import unheard
from watchtower.workers.approvals import ApprovalDesk
from watchtower.workers.asking import HandDesk
from watchtower.workers.guarding import Guarding


def build_guarding(settings: Settings, store: Store) -> Guarding:
    """What looks at guards."""
    return Guarding(store, Standings(settings).steering, settings.window.size)


def build_hand_desk(settings: Settings, store: Store, model: str) -> HandDesk:
    """What opens plans of *model* by hand."""
    standings, its = Standings(settings), settings.model(model)
    target = its.rollback.target.kind_name() if its.rollback is not None else ""
    return HandDesk(store, build_guarding(settings, store), target, standings.limits(model), tuple(settings.notifiers), its.unhealthy)


def build_freeze_series(settings: Settings, store: Store, now: Callable[[], datetime]) -> FreezeSeries:
    """What Prometheus is told of freezes."""

    def ask() -> dict[str, bool] | None:
        try:
            held = {each.model for each in store.freezes.all(now())}
            models = {*settings.models, *store.references.models()} - {"*"}
        except Unavailable:
            return None
        return {model: model in held or EVERY in held for model in models}

    return FreezeSeries(ask)


def build_approvals(settings: Settings, store: Store, heard: Callable[[Plan, Fact, Move], None] = unheard) -> ApprovalDesk:
    """What takes approvals."""
    return ApprovalDesk(store, build_guarding(settings, store), heard)


def build_actions_desk(settings: Settings, store: Store, now: Callable[[], datetime], heard: Callable[[Plan, Fact, Move], None] = unheard) -> ActionsDesk:
    """What answers people over HTTP. ConfigError where the file of tokens cannot be read."""
    file = settings.server.tokens_file
    names = (lambda _authorization: "") if file is None else Tokens(Path(file)).name

    def known(model: str) -> bool:
        return model in {*settings.models, *store.references.models(), *store.references.ids()} - {"*"}

    return ActionsDesk(build_approvals(settings, store, heard), store.freezes, known, now, names)
