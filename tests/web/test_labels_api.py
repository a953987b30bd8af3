"""POST /api/v1/labels over a real server: what is taken, what is not and why, and who may."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from watchtower.edges.metrics import Metrics
from watchtower.nouns.errors import Unavailable
from watchtower.store import Store
from watchtower.web.app import create_app
from watchtower.web.labels_api import items_of, sort
from watchtower.web.server import Server
from watchtower.web.tokens import Tokens
from watchtower.web.view import StoreView

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GOOD = {"model": "fraud", "id": "r-1", "label": 1}


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(Store.open("sqlite://", now=lambda: NOW)) as opened:
        yield opened


@pytest.fixture
def view(store: Store) -> StoreView:
    return StoreView(store, Metrics(CollectorRegistry(), max_series=100), dict)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    (tmp_path / "tokens").write_text("secret\n")
    return Tokens(tmp_path / "tokens")


def post(address: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
    asked = urllib.request.Request(f"{address}/api/v1/labels", body, {"Authorization": "Bearer secret"} if headers is None else headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


@pytest.fixture
def address(store: Store, tokens: Tokens, view: StoreView) -> Iterator[str]:
    yield from served(Server(create_app(view, tokens=tokens, labels=store.labels), "127.0.0.1:0"))


def served(server: Server) -> Iterator[str]:
    yield server.start()
    server.stop()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD).encode(),
        json.dumps(GOOD, indent=2).encode(),
        b"[" + json.dumps(GOOD).encode() + b"]",
        b"\n" + json.dumps(GOOD).encode() + b"\r\n\n",
    ],
)
def test_an_object_an_array_and_lines_are_taken(address: str, store: Store, body: bytes) -> None:
    assert post(address, body) == (202, {"accepted": 1, "errors": []})
    assert [json.loads(each) for _, _, each in store.labels.spooled(0, 10)] == [GOOD]


def test_each_item_that_is_no_label_is_named(address: str, store: Store) -> None:
    items = [
        GOOD,
        {"model": "fraud", "label": 1},
        {**GOOD, "time": "soon"},
        {**GOOD, "features": {"a": 1}},
        {**GOOD, "time": "2199-01-01T00:00:00Z"},
        {"x": 1},
        5,
    ]
    status, answer = post(address, b"\n".join(json.dumps(each).encode() for each in items))
    assert (status, answer["accepted"]) == (202, 1)
    assert answer["errors"] == [
        {"item": 1, "error": "item 1 needs model, id and label"},
        {"item": 2, "error": "item 2 has a time that cannot be read"},
        {"item": 3, "error": "item 3 is a prediction, not a label"},
        {"item": 4, "error": "item 4 has a time that is more than 5 minutes ahead"},
        {"item": 5, "error": "item 5 needs model, id and label"},
        {"item": 6, "error": "item 6 is no JSON object"},
    ]
    assert len(store.labels.spooled(0, 10)) == 1


@pytest.mark.parametrize(("body", "said"), [(b"", "holds no label"), (b"[1,", "no JSON array"), (b"[]", "holds no label")])
def test_a_body_that_holds_nothing_is_refused(address: str, body: bytes, said: str) -> None:
    status, answer = post(address, body)
    assert status == 400
    assert said in str(answer["error"])


def test_nothing_but_errors_is_400(address: str, store: Store) -> None:
    assert post(address, b"{}")[0] == 400
    assert store.labels.spooled(0, 10) == []


def test_who_has_no_token_posts_nothing(address: str, store: Store) -> None:
    body = json.dumps(GOOD).encode()
    assert post(address, body, {})[0] == 401
    assert post(address, body, {"Authorization": "Bearer wrong"})[0] == 401
    assert post(address, body, {"Authorization": "Bearer secret", "Sec-Fetch-Site": "cross-site"})[0] == 403
    assert store.labels.spooled(0, 10) == []


def test_without_tokens_nothing_can_be_posted(store: Store, view: StoreView) -> None:
    for address in served(Server(create_app(view, labels=store.labels), "127.0.0.1:0")):
        status, answer = post(address, json.dumps(GOOD).encode(), {})
        assert status == 403
        assert "set server.tokens_file" in str(answer["error"])


class Away:
    def spool(self, messages: object, now: datetime) -> None:  # noqa: ARG002  it takes nothing
        msg = "the store is away"
        raise Unavailable(msg)


def test_what_cannot_be_kept_is_not_accepted(view: StoreView, tokens: Tokens) -> None:
    for address in served(Server(create_app(view, tokens=tokens, labels=Away()), "127.0.0.1:0")):
        assert post(address, json.dumps(GOOD).encode()) == (503, {"error": "nothing was accepted: the store is away"})


def test_labels_of_rankings_may_be_posted_and_those_of_no_kind_not() -> None:
    items = [json.dumps({"model": "shop", "id": "r", "label": label}).encode() for label in (["a", 7], {"a": 3}, "a", {"a": -1}, [["a"]])]
    found = sort(items, NOW)
    assert (len(found.good), [item for item, _ in found.errors]) == (3, [3, 4])


def test_items_are_read_as_messages_of_a_topic_are() -> None:
    batch = b'{"rows": 2, "model": "fraud", "id": ["a", "b"], "label": [0, 1]}'
    assert sort(items_of(batch), NOW).good == (batch,)
    late = json.dumps({**GOOD, "time": (NOW - timedelta(days=3)).isoformat()}).encode()
    assert sort([late], NOW).errors == ()


@pytest.mark.parametrize("body", [b"[" + b",".join([b"1"] * 100_001) + b"]", b"1\n" * 100_002])
def test_too_many_items_are_refused_before_they_are_read(address: str, store: Store, body: bytes) -> None:
    assert post(address, body) == (413, {"error": "the body holds over 100,000 labels: post it in pieces"})
    assert store.labels.spooled(0, 10) == []


def test_the_first_thousand_errors_are_told_and_the_others_counted(address: str) -> None:
    status, answer = post(address, b"\n".join([b"1"] * 1_500 + [json.dumps(GOOD).encode()]))
    errors = answer["errors"]
    assert isinstance(errors, list)
    assert (status, answer["accepted"], len(errors)) == (202, 1, 1_001)
    assert errors[-1] == {"item": None, "error": "500 further items are no labels"}


def test_rows_of_labels_need_an_id_each_so_that_a_few_bytes_stay_a_few_labels() -> None:
    found = sort([b'{"model": "m", "rows": 100000, "id": "a", "label": 1}', b'{"model": "m", "rows": 1, "id": "a", "label": 1}'], NOW)
    assert found.errors == ((0, "needs model, id and label"),)
    assert len(found.good) == 1
