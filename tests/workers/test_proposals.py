"""Outgrown cells: proposed once, listed, never changed silently."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from tests.measures.views import folded
from tests.workers._acting import MINUTE, at
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.edges.clock import ManualClock
from watchtower.nouns.batch import NumberColumn
from watchtower.nouns.incident import Incident
from watchtower.nouns.memory import Evaluation, Memory
from watchtower.nouns.score import Board
from watchtower.nouns.window import EPOCH, Window
from watchtower.store import Store, StoredReference
from watchtower.workers.proposals import Proposals
from watchtower.workers.troubles import Troubles

HOUR = 60 * MINUTE
BINNING = make_binning({"amount": NumberColumn(np.linspace(0, 1, 500))}, {}, None, ())


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=ManualClock(at(0)).now)
    columns = {"amount": NumberColumn(np.linspace(0, 1, 500))}
    opened.references.begin("fraud", StoredReference(BINNING, EPOCH, {("", ""): make_reference_profile(BINNING, columns, 500)}))
    yield opened
    opened.close()


def watch(store: Store, hours: int, shift: float, first: int = 0) -> None:
    """Windows of an hour, each with 100 rows that lie so far off."""
    for n in range(first, first + hours):
        window = Window(at(0) + n * HOUR, at(0) + (n + 1) * HOUR)
        profile = folded(BINNING, {"amount": NumberColumn(np.linspace(0, 1, 100) + shift)}, 100)
        evaluation = Evaluation(Board("fraud", window, "7", {}), (), Memory("fraud", evaluated_through=window.end), ())
        store.evaluations.commit("fraud", window, {("7", ""): profile}, evaluation, now=window.end)


def told(store: Store) -> list[Incident]:
    return [row.incident for row in store.plans.incidents()]


def test_a_day_beyond_the_cells_is_proposed_and_told_once(store: Store) -> None:
    watch(store, 24, 0.5)
    proposals = Proposals(store, Troubles(store, ("ops",)))
    for hour in (0, 1):
        proposals.look(at(0) + timedelta(hours=24 + hour))
    proposed = store.status()["proposals"]
    assert isinstance(proposed, list)
    (listed,) = proposed
    assert (listed["model"], listed["binning"], listed["since"]) == ("fraud", BINNING.id, "2026-11-21T10:00:00Z")
    assert listed["features"] == [{"feature": "amount", "share": 0.5, "where": "above"}]
    (incident,) = told(store)
    assert (incident.model, str(incident.state), incident.notify) == ("watchtower", "closed", ("ops",))
    assert "amount (50% above); `watchtower reference fraud --from-windows A..B` makes new ones" in incident.timeline[-1].text


def test_less_than_a_day_or_less_than_a_fifth_is_no_proposal(store: Store) -> None:
    proposals = Proposals(store, Troubles(store, ()))
    watch(store, 20, 0.5)
    proposals.look(at(0))
    watch(store, 24, 0.1, first=20)
    proposals.look(at(0))
    assert (store.status()["proposals"], told(store)) == ([], [])


def test_once_it_is_over_it_is_no_longer_listed(store: Store) -> None:
    proposals = Proposals(store, Troubles(store, ()))
    watch(store, 24, 0.5)
    proposals.look(at(0))
    watch(store, 24, 0.0, first=24)
    proposals.look(at(0))
    assert store.status()["proposals"] == []
