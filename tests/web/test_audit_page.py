"""The record on an incident's page, and which version served when on a model's."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.conftest import INCIDENT, TEN, told
from tests.web.far_end import browser
from watchtower.nouns.drill import Drilled
from watchtower.store import Store
from watchtower.web.view import StoreView


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watchtower.db"


@pytest.fixture
def view(file: Path) -> Iterator[StoreView]:
    """As the story is told, in a store of its own."""
    yield from told(f"sqlite:///{file}")


def test_an_incident_shows_that_its_record_is_intact_and_how_to_hand_it_out(view: StoreView) -> None:
    with browser(view) as client:
        page = client.get(f"/incidents/{INCIDENT}").text
        (plan,) = client.get(f"/api/v1/incidents/{INCIDENT}").json()["audit"]
        (listed,) = client.get("/api/v1/rollbacks").json()["rollbacks"]
    assert ">intact<" in page
    assert f"watchtower audit {INCIDENT} --export FILE" in page
    assert (plan["id"], plan["intact"], listed["id"], listed["intact"]) == ("p1", True, "p1", True)
    assert [each["seq"] for each in plan["facts"]] == list(range(1, len(plan["facts"]) + 1))


def test_an_incident_whose_record_was_changed_says_where(view: StoreView, file: Path) -> None:
    with sqlite3.connect(file) as raw:
        raw.execute("DROP TRIGGER facts_no_delete")
        raw.execute("DELETE FROM facts WHERE seq = 2")
    with browser(view) as client:
        assert "changed at 2" in client.get(f"/incidents/{INCIDENT}").text


def test_a_model_shows_which_version_served_when_and_whether_it_could_go_back(view: StoreView, file: Path) -> None:
    store = Store.open(f"sqlite:///{file}", now=lambda: TEN)
    store.drills.save(Drilled("fraud", TEN, "6", None, ("no healthy version to go back to from 6",)))
    store.close()
    with browser(view) as client:
        page = client.get("/models/fraud").text
    assert "Which version served when" in page
    assert "no healthy version to go back to from 6" in page
    assert ">not ready<" in page
