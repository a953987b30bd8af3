"""The API answers as the contracts say, and only to those who may ask."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.far_end import Empty, browser
from watchtower.nouns.errors import ConfigError
from watchtower.web.tokens import Tokens
from watchtower.web.view import StoreView

TOKEN = "a-token"  # noqa: S105  of these tests only


@pytest.fixture
def told(story: StoreView) -> Iterator[httpx.Client]:
    with browser(story) as client:
        yield client


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    file = tmp_path / "tokens"
    file.write_text(f"# for the dashboards\n{TOKEN}\n", encoding="utf-8")
    return Tokens(file)


def test_status_is_the_stores(told: httpx.Client, story: StoreView) -> None:
    answer = told.get("/api/v1/status")
    assert answer.json() == dict(story.status())
    assert {each["model"]: each["live"] for each in answer.json()["models"]} == {"fraud": "6", "Größe / 模型": "1"}


def test_models_alerts_windows_and_incidents_are_parts_of_it(told: httpx.Client) -> None:
    status = told.get("/api/v1/status").json()
    for name in ("models", "alerts", "windows"):
        assert told.get(f"/api/v1/{name}").json() == {name: status[name]}
    incident = told.get("/api/v1/incidents").json()["incidents"][0]
    assert (incident["model"], incident["state"], incident["plan"]["step"], incident["plan"]["candidate"]) == ("fraud", "open", "rolled_back", "6")


def test_one_incident_has_its_timeline_and_its_facts(told: httpx.Client) -> None:
    incident = told.get("/api/v1/incidents").json()["incidents"][0]
    whole = told.get(f"/api/v1/incidents/{incident['id']}").json()
    assert [each["what"] for each in whole["timeline"]] == ["alert", "alert", "trial", "verdict", "switched", "serving"]
    assert [each["fact"]["kind"] for each in whole["facts"]] == ["fired", "judged", "switched", "serving"]
    assert whole["changed"]["parameters"] == {"depth": {"live": 8, "candidate": 6}}


def test_boards_of_a_model_are_as_many_as_asked_for(told: httpx.Client) -> None:
    found = told.get("/api/v1/windows", params={"model": "fraud", "limit": "3"}).json()["windows"]
    assert [each["window"]["end"] for each in found] == [f"2026-11-20T10:{minute}:00Z" for minute in (50, 49, 48)]


@pytest.mark.parametrize("limit", ["0", "501", "many", "-1", "٣"])
def test_a_limit_that_is_none_is_refused_in_a_sentence(told: httpx.Client, limit: str) -> None:
    answer = told.get("/api/v1/windows", params={"model": "fraud", "limit": limit})
    assert answer.status_code == 400
    assert answer.json() == {"error": f"limit must be a number from 1 to 500, not {limit!r}"}


@pytest.mark.parametrize(
    ("path", "kind"), [("/nothing", "text/plain"), ("/api/v1/incidents/x", "application/json"), ("/models/x", "text/plain"), ("/incidents/x", "text/plain")]
)
def test_what_is_not_there_is_404(told: httpx.Client, path: str, kind: str) -> None:
    answer = told.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(kind)


def test_metrics_are_prometheus_text_and_openmetrics_where_asked_for(told: httpx.Client) -> None:
    text = told.get("/metrics")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "watchtower_predictions" in {family.name for family in text_string_to_metric_families(text.text)}
    openmetrics = told.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


def test_readiness_names_what_is_not_ready() -> None:
    with browser(Empty()) as ready, browser(Empty({"source": "no broker at 10.0.0.1:9092"})) as waiting:
        assert ready.get("/readyz").json() == {"ready": True, "not_ready": {}}
        answer = waiting.get("/readyz")
        assert (answer.status_code, answer.json()["not_ready"]) == (503, {"source": "no broker at 10.0.0.1:9092"})
        assert waiting.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("path", "metrics_public", "without"),
    [("/metrics", True, 200), ("/metrics", False, 401), ("/healthz", True, 200), ("/readyz", False, 401), ("/api/v1/status", True, 401), ("/", True, 401)],
)
def test_with_tokens_all_but_the_public_needs_one(tokens: Tokens, path: str, metrics_public: bool, without: int) -> None:  # noqa: FBT001  a column of the table
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    tried = {None: without, "Bearer wrong": without, "Basic &&&": without, f"Bearer {TOKEN}": 200, f"Basic {basic}": 200}
    with browser(Empty(), tokens=tokens, metrics_public=metrics_public) as client:
        assert {given: client.get(path, headers={"Authorization": given} if given else {}).status_code for given in tried} == tried


def test_tokens_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("old\n", encoding="utf-8")
    tokens = Tokens(file)
    file.write_text("brand-new\n", encoding="utf-8")
    assert (tokens.allow("Bearer brand-new"), tokens.allow("Bearer old")) == (True, False)
    file.unlink()
    assert tokens.allow("Bearer brand-new")


def test_a_tokens_file_without_a_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# none yet\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no token; write one token a line"):
        Tokens(file)


def test_nothing_can_be_changed() -> None:
    with browser(Empty()) as client:
        assert [client.post(path).status_code for path in ("/api/v1/status", "/", "/metrics")] == [405, 405, 405]
