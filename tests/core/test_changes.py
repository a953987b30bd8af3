"""What changed between two versions."""

from dataclasses import replace
from datetime import UTC, datetime

from watchtower.core.changes import Known, changed, short
from watchtower.core.planning import advance
from watchtower.nouns.evidence import Diagnosis, Verdict
from watchtower.nouns.facts import Judged
from watchtower.nouns.plan import Plan
from watchtower.nouns.step import Step

LIVE = Known(
    "7",
    "b" * 64,
    2_000,
    {"": 17},
    {
        "author": "ben",
        "created": "2026-11-20T10:00:00+00:00",
        "parameters": {"depth": "8", "eta": "0.1"},
        "metrics": {"auc": 0.91, "loss": 0.3},
        "training_data": [{"name": "november.parquet", "digest": "2f"}],
        "tags": {"team": "risk"},
        "run": "r7",
    },
)
CANDIDATE = Known(
    "6",
    "a" * 64,
    1_000,
    {"": 17},
    {
        "author": "ann",
        "created": "2026-11-17T08:00:00Z",
        "parameters": {"depth": "6", "eta": "0.1"},
        "metrics": {"auc": 0.94, "recall": 0.7},
        "training_data": [{"name": "october.parquet", "digest": "1e"}],
        "tags": {"team": "risk"},
        "run": "r6",
    },
)


def test_what_differs_is_told_and_what_is_the_same_is_not() -> None:
    found = changed(LIVE, CANDIDATE)
    assert found["parameters"] == {"depth": {"live": "8", "candidate": "6"}}
    assert found["author"] == {"live": "ben", "candidate": "ann"}
    assert found["training_data"] == {"live": [{"name": "november.parquet", "digest": "2f"}], "candidate": [{"name": "october.parquet", "digest": "1e"}]}
    assert found["artefact"] == {"sha256": {"live": "b" * 64, "candidate": "a" * 64}, "size": {"live": 2_000, "candidate": 1_000}}
    assert "tags" not in found


def test_metrics_stand_side_by_side_and_one_that_a_side_lacks_is_none() -> None:
    sides = {"auc": {"live": 0.91, "candidate": 0.94}, "loss": {"live": 0.3, "candidate": None}, "recall": {"live": None, "candidate": 0.7}}
    assert changed(LIVE, CANDIDATE)["metrics"] == sides


def test_the_gist_is_one_line() -> None:
    said = (
        "7 beside 6: depth 8 (was 6), training data november.parquet (was october.parquet), author ben (was ann), "
        "auc 0.91 (was 0.94), loss 0.3 (was unknown), recall unknown (was 0.7), made 3d 2h after it"
    )
    assert changed(LIVE, CANDIDATE)["line"] == said
    assert short(changed(LIVE, CANDIDATE)) == "", "too long for a line among others"


def test_without_metadata_only_the_files_are_compared() -> None:
    assert changed(Known("7", "b"), Known("6", "a")) == {
        "live": "7",
        "candidate": "6",
        "artefact": {"sha256": {"live": "b", "candidate": "a"}},
        "line": "7 beside 6: another file; nothing more is recorded of them",
    }
    assert short(changed(Known("7", "a"), Known("6", "a"))) == "7 beside 6: the same file"


def test_metadata_of_any_other_shape_are_compared_as_they_are() -> None:
    found = changed(Known("7", "a", metadata={"parameters": "deep", "team": ["x"]}), Known("6", "a", metadata={"parameters": {"depth": 6}, "team": ["y"]}))
    assert found["team"] == {"live": ["x"], "candidate": ["y"]}
    assert found["parameters"] == {"depth": {"live": None, "candidate": 6}}


def test_nothing_that_is_no_comparison_has_a_gist() -> None:
    assert [short(each) for each in (None, {}, {"line": 3}, "line")] == [""] * 4


def test_a_short_gist_stands_in_the_timeline_behind_the_verdict() -> None:
    now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    plan = Plan("p1", "fraud", "i1", Step.ON_TRIAL, "7", ("6",), now)
    gist = changed(Known("7", "b", metadata={"author": "ben"}), Known("6", "a", metadata={"author": "ann"}))
    fact = Judged(Verdict.ACCEPT, Diagnosis.MODEL_REGRESSION, "0.03 < 0.09", "6", now, evidence={"changed": gist})
    said = "verdict accept, model regression: 0.03 < 0.09. Going back from 7 to 6. What differs: 7 beside 6: author ben (was ann)"
    assert advance(plan, fact, now).note == said
    assert "differs" not in advance(plan, replace(fact, evidence={"changed": changed(LIVE, CANDIDATE)}), now).note
