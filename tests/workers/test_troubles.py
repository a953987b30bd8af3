"""Watchtower's own troubles, as notifiers hear of them."""

from collections.abc import Iterator

import pytest

from tests.workers._acting import at
from watchtower.edges.clock import ManualClock
from watchtower.nouns.incident import IncidentState, Receipt
from watchtower.store import Store
from watchtower.workers.troubles import Troubles


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(at(0)).now)
    yield opened
    opened.close()


def told(store: Store, minute: float) -> list[tuple[str, str, str]]:
    """What lags, and is delivered: (notifier, state, last text)."""
    lags = store.told.lagging(at(minute))
    for lag in lags:
        store.told.delivered(lag, Receipt(), at(minute))
    return [(lag.notifier, str(lag.incident.state), lag.incident.timeline[-1].text) for lag in lags]


def test_a_trouble_is_told_once_and_once_more_when_it_is_over(store: Store) -> None:
    troubles = Troubles(store, ("audit", "ml_oncall"))
    troubles.over("the rules are read again", at(0))
    assert told(store, 0) == []
    troubles.began("rules/fraud.yaml:3:5: unknown key", at(1))
    troubles.began("rules/fraud.yaml:4:5: unknown key", at(2))
    assert told(store, 2) == [(name, "open", "rules/fraud.yaml:3:5: unknown key") for name in ("audit", "ml_oncall")]
    Troubles(store, ("audit", "ml_oncall")).over("the rules are read again", at(3))
    assert told(store, 3) == [(name, "closed", "the rules are read again") for name in ("audit", "ml_oncall")]
    assert store.plans.incidents(IncidentState.OPEN) == []
    troubles.began("rules/fraud.yaml:5:5: unknown key", at(4))
    assert len(told(store, 4)) == 2
