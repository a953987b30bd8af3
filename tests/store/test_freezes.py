"""The kill switch in the store, and versions that are cleared."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.workers._acting import ACCEPTED, at, begin, commit, evaluate
from tests.workers._far import Far
from watchtower.core.guards import Freeze
from watchtower.nouns.memory import Memory
from watchtower.store import Store
from watchtower.workers.actions import Actions, Steering

FREEZE = Freeze("fraud", "ana@host", at(0), "cli host", "migration", at(120))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/w.db", now=lambda: at(1))
    yield opened
    opened.close()


def test_a_freeze_is_found_until_it_runs_out_or_is_thawed(store: Store) -> None:
    store.freezes.freeze(FREEZE)
    assert store.freezes.frozen("fraud", at(119)) == FREEZE
    assert store.freezes.frozen("fraud", at(120)) is None
    assert store.freezes.frozen("churn", at(1)) is None
    assert store.freezes.thaw("fraud", by="bob", origin="cli", now=at(2))
    assert store.freezes.frozen("fraud", at(2)) is None
    assert not store.freezes.thaw("fraud", by="bob", origin="cli", now=at(2))


def test_a_freeze_of_all_holds_every_model_and_comes_first(store: Store) -> None:
    everything = replace(FREEZE, model="", until=None)
    store.freezes.freeze(FREEZE)
    store.freezes.freeze(everything)
    assert store.freezes.frozen("fraud", at(1)) == everything
    assert store.freezes.frozen("churn", at(500)) == everything
    assert store.freezes.all(at(1)) == [everything, FREEZE]


def test_another_process_sees_it_and_status_lists_it(store: Store, tmp_path: Path) -> None:
    store.freezes.freeze(FREEZE)
    other = Store.open(f"sqlite:///{tmp_path}/w.db", read_only=True, now=lambda: at(1))
    assert other.freezes.frozen("fraud", at(1)) == FREEZE
    listed = {"model": "fraud", "by": "ana@host", "at": "2026-11-20T10:00:00Z", "origin": "cli host", "reason": "migration", "until": "2026-11-20T12:00:00Z"}
    assert other.status()["frozen"] == [listed]
    other.close()


def test_a_store_of_an_earlier_release_is_not_frozen(store: Store, tmp_path: Path) -> None:
    assert store.freezes.all(at(1)) == []
    with sa.create_engine(f"sqlite:///{tmp_path}/w.db").begin() as tx:
        tx.execute(sa.text("DROP TABLE freezes"))
    other = Store.open(f"sqlite:///{tmp_path}/w.db", read_only=True, now=lambda: at(1))
    assert other.freezes.all(at(1)) == []
    other.close()


def rolled_back(store: Store) -> Memory:
    """Fraud went back from 2 to 1, and it is over."""
    begin(store)
    worker = Actions(store, lambda _: Steering(Far), lambda *_: ACCEPTED)
    worker.step(at(0))
    worker.step(at(0))
    evaluate(store, 1, live="1")
    return evaluate(store, 2, live="1", firing=False)


def test_what_is_frozen_thawed_and_cleared_is_in_the_audit(store: Store) -> None:
    assert rolled_back(store).served.rolled_back_from == ("2",)
    store.freezes.freeze(FREEZE)
    store.freezes.thaw("fraud", by="bob@host", origin="cli host", now=at(2))
    assert store.freezes.clear("fraud", "2", by="eve@host", origin="cli host", now=at(3))
    assert not store.freezes.clear("fraud", "2", by="eve@host", origin="cli host", now=at(3))
    assert store.evaluations.memory("fraud").served.rolled_back_from == ()
    acts = [entry["act"] for entry in store.audit.newest(20) if "act" in entry]
    assert acts == [
        {"kind": "clear", "model": "fraud", "by": "eve@host", "origin": "cli host", "detail": {"version": "2"}},
        {"kind": "thaw", "model": "fraud", "by": "bob@host", "origin": "cli host", "detail": {}},
        {"kind": "freeze", "model": "fraud", "by": "ana@host", "origin": "cli host", "detail": {"reason": "migration", "until": "2026-11-20T12:00:00Z"}},
    ]
    assert store.audit.verify().broken is None


def test_an_evaluation_that_began_before_a_version_was_cleared_does_not_bring_it_back(store: Store) -> None:
    memory = rolled_back(store)
    store.freezes.clear("fraud", "2", by="eve", origin="cli", now=at(3))
    commit(store, memory, 3)
    assert store.evaluations.memory("fraud").served.rolled_back_from == ()
    evaluate(store, 4, live="1", firing=False)
    assert store.evaluations.memory("fraud").served.rolled_back_from == ()
