"""Routes beside the pages and listings: the judgement for delivery controllers, announced deployments."""

from collections.abc import Callable
from datetime import datetime, timedelta

from watchtower.assembly.desks import build_actions_desk
from watchtower.config.settings import Settings
from watchtower.core.rules import RuleBook
from watchtower.nouns.facts import Fact
from watchtower.nouns.plan import Move, Plan
from watchtower.nouns.settings import GuardSettings
from watchtower.store import Store
from watchtower.web.actions_api import actions_routes
from watchtower.web.app import Further
from watchtower.web.deployments_api import deployment_routes
from watchtower.web.judgement_api import JudgementDesk, judgement_routes
from watchtower.workers.actions import unheard


def build_routes(
    settings: Settings, store: Store, book: Callable[[], RuleBook], now: Callable[[], datetime], *, heard: Callable[[Plan, Fact, Move], None] = unheard
) -> tuple[Further, ...]:
    """*book* is asked for each judgement: rules change while the daemon runs. *heard* is told of approvals and refusals."""

    def max_age(model: str) -> timedelta:
        rollback = settings.model(model).rollback
        return (GuardSettings() if rollback is None else rollback.guards).max_age

    desk = JudgementDesk(store, book, now, max_age)
    actions = build_actions_desk(settings, store, now, heard)
    return (
        lambda doors: judgement_routes(desk, doors),
        lambda doors: deployment_routes(store, now, doors),
        lambda doors: actions_routes(actions, doors.guard_change, doors.off_loop, doors.aside),
    )
