"""Announced deployments, and which version served when."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.web.far_end import Empty
from tests.workers._acting import at, commit
from watchtower.nouns.memory import Memory, Served
from watchtower.store import Store
from watchtower.web.app import create_app
from watchtower.web.deployments_api import deployment_routes
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens

PATH = "/api/v1/deployments"


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open("sqlite://", now=lambda: at(0))
    opened.evaluations.hearers = ("oncall",)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "tokens").write_text("secret-1\n")
    app = create_app(Empty(), tokens=Tokens(tmp_path / "tokens"), further=[lambda doors: deployment_routes(store, lambda: at(1), doors)])
    server = Server(app, "127.0.0.1:0")
    with httpx.Client(base_url=server.start(), trust_env=False, headers={"Authorization": "Bearer secret-1"}) as browser:
        yield browser
    server.stop()


def test_an_announced_change_is_no_surprise_and_is_recorded_with_who(client: httpx.Client, store: Store) -> None:
    commit(store, Memory("fraud", served=Served(live="7")), 0)
    answer = client.post(PATH, json={"model": "fraud", "version": 8, "by": "ci@ml", "time": "2026-11-20T10:02:00Z", "note": "retrained"})
    assert answer.status_code == 202
    assert answer.json() == {"accepted": True, "model": "fraud", "version": "8", "by": "ci@ml", "time": "2026-11-20T10:02:00Z", "note": "retrained"}
    commit(store, Memory("fraud", served=Served(live="8")), 3)
    newest, first = client.get("/api/v1/versions?model=fraud").json()["versions"]
    assert (newest["version"], newest["how"], newest["by"], newest["note"], newest["until"]) == ("8", "announced", "ci@ml", "retrained", None)
    assert (first["version"], first["until"]) == ("7", newest["from"])
    assert store.plans.incidents() == []
    assert client.get("/api/v1/versions?model=other").json() == {"versions": []}
    assert store.audit.verify().broken is None


def test_who_says_nothing_of_himself_is_named_by_where_he_is(client: httpx.Client) -> None:
    found = client.post(PATH, json={"model": "fraud", "version": "8"}).json()
    assert (found["by"], found["time"]) == ("api 127.0.0.1", "2026-11-20T10:01:00Z")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "fraud"}, "version must be a text"),
        ({"version": "8"}, "model must be a text"),
        ({"model": "fraud", "version": "8", "who": "ann"}, "unknown key 'who'"),
        ({"model": "fraud", "version": "8", "time": "soon"}, "time cannot be read"),
        ({"model": "fraud", "version": "8", "time": "0001-01-01T00:00:00+23:59"}, "time cannot be read"),
        ({"model": "fraud", "version": "8", "time": (at(0) + timedelta(days=8)).isoformat()}, "more than 7 days ahead"),
        ({"model": "f" * 201, "version": "8"}, "longer than 200"),
        ({"model": "fraud", "version": True}, "version must be a text"),
        (["fraud"], "no JSON object"),
    ],
)
def test_what_announces_nothing_is_refused_with_the_reason(client: httpx.Client, body: object, said: str) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_nobody_announces_without_a_token(client: httpx.Client, store: Store) -> None:
    assert client.post(PATH, json={"model": "fraud", "version": "8"}, headers={"Authorization": "Bearer guess"}).status_code == 401
    server = Server(create_app(Empty(), further=[lambda doors: deployment_routes(store, lambda: at(1), doors)]), "127.0.0.1:0")
    assert httpx.post(server.start() + PATH, json={"model": "fraud", "version": "8"}, trust_env=False).status_code == 403
    server.stop()
