"""Pages say what happened, in any alphabet, and run no script."""

from html.parser import HTMLParser

import pytest

from tests.web.far_end import Empty, browser
from watchtower.web.sparkline import HEIGHT, sparkline
from watchtower.web.templating import plain, score, share
from watchtower.web.view import StoreView


class _Tags(HTMLParser):
    """Counts tags, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  as HTMLParser has it
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += f" {data.strip()}"


def page(story: StoreView, path: str) -> str:
    with browser(story) as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert "script" not in _Tags(answer.text).found
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text


def test_the_overview_lists_models_alerts_incidents_and_decisions(story: StoreView) -> None:
    text = _Tags(page(story, "/")).text
    for said in ("Größe / 模型", "2 firing", "77,750", "PredictionDrift", "rolled back", "candidate error 0.031 < live error 0.094", "not json"):
        assert said in text


def test_a_model_shows_its_versions_and_a_curve_for_each_score(story: StoreView) -> None:
    html = page(story, "/models/fraud")
    text = _Tags(html).text
    for said in ("merchant_category", "timeout: 108", "97.0 %", "112 of 200 rows", "latency p99", "p 0.4"):
        assert said in text
    assert html.count('<svg class="spark"') == 3 + 14  # versions, and scores of a board


def test_a_model_may_have_any_name(story: StoreView) -> None:
    assert "Größe / 模型" in page(story, "/models/Größe / 模型")


def test_an_incident_shows_the_verdicts_arithmetic_the_timeline_and_the_audit(story: StoreView) -> None:
    text = _Tags(page(story, "/incidents/20261120-1036-fraud")).text
    for said in (
        "Would going back help?",
        "candidate error 0.031 < live error 0.094 (n=2,048, p=3e-09)",
        "the traffic shows version 6 serving",
        "CPUExecutionProvider",
        "target directory · before 7 · after 6",
    ):
        assert said in text


def test_an_incident_shows_what_differs_between_live_and_candidate(story: StoreView) -> None:
    text = _Tags(page(story, "/incidents/20261120-1036-fraud")).text
    for said in (
        "What differs between 7 and 6",
        "parameters: depth 8 6",
        "metrics: auc 0.91 0.94",
        "training data november.parquet october.parquet",
        "author ben ann",
    ):
        assert said in " ".join(text.split())


def test_a_daemon_that_has_just_begun_says_where_to_look() -> None:
    with browser(Empty()) as client:
        assert "No predictions have been read yet" in client.get("/").text
        assert "There has been no incident" in client.get("/incidents").text
        assert "prefers-color-scheme: dark" in client.get("/static/style.css").text


def test_a_curve_has_gaps_where_there_is_no_score() -> None:
    drawn = sparkline([0.0, 1.0, None, 0.5], slots=4)
    assert drawn.line == f"M3.0,{HEIGHT - 3} L57.0,3.0 M164.5,18.0 L165.0,18.0"
    assert drawn.dot == (165.0, 18.0)
    assert sparkline([0.0, None], slots=4).dot is None


@pytest.mark.parametrize(("value", "said"), [(None, "–"), (0.0, "0"), (0.31, "0.31"), (1e-9, "1.0e-09"), (12345.6, "12,346"), (1.2e9, "1.2e+09")])
def test_scores_have_four_digits(value: float | None, said: str) -> None:
    assert score(value) == said


def test_shares_and_evidence_are_written_for_people() -> None:
    assert [share(each) for each in (0.0, 0.0004, 0.125)] == ["0.0 %", "<0.1 %", "12.5 %"]
    assert (
        plain({"live_error": 0.094, "agreed": True, "seen_at": "2026-11-20T10:00:00Z", "empty": []})
        == "live error 0.094, agreed yes, seen at 2026-11-20 10:00:00, empty –"
    )
