"""From messages to measures: ids that came twice, features that nobody knows, texts, and segments beside the whole."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.measures.views import told
from watchtower import line
from watchtower.assembly.shared import counts_ids
from watchtower.conditions.above import Above
from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.profiling import Bound, Folder
from watchtower.core.rules import Rule, RuleBook
from watchtower.core.scoring import score
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Column, FeatureType, Messages, NumberColumn, PredictionKind, Schema, TextColumn
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Slot
from watchtower.nouns.settings import FeatureSettings, PredictionSettings, Watched, WindowSettings
from watchtower.nouns.window import Partition, Window

SETTINGS = {name: FeatureSettings(type=FeatureType(kind)) for name, kind in (("amount", "numeric"), ("country", "categorical"), ("note", "text"))}
WATCHED = Watched(features=SETTINGS, prediction=PredictionSettings(kind=PredictionKind.PROBABILITY), segments=("country",))
SCHEMA = Schema({name: each.type for name, each in SETTINGS.items()}, PredictionKind.PROBABILITY)
MINUTE = Window(datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 10, 1, tzinfo=UTC))
ROWS = 400


def reference() -> dict[str, Column]:
    codes = (np.arange(ROWS) % 2).astype(np.int32)
    return {
        "amount": NumberColumn(np.linspace(0, 9, ROWS)),
        "country": TextColumn(codes, ("DE", "FR")),
        "note": TextColumn(codes, ("late delivery", "no refund")),
        "": NumberColumn(np.linspace(0, 1, ROWS)),
    }


def scored(*measures: str, counted: bool = True, version: str = "1", segment: str = "") -> dict[str, dict[str, float | str]]:
    """400 rows: every id twice, DE positive in 3 of 4, FR in 1 of 4, a new feature, half of the words new."""
    binning = make_binning(reference(), SETTINGS, PredictionKind.PROBABILITY, ("country",))
    folder = Folder(WindowSettings(size=timedelta(minutes=1)))
    folder.bound["m"] = Bound(binning, 0)
    folder.counted = lambda _model: counted
    values = [json.dumps(_row(i)).encode() for i in range(ROWS)]
    messages = Messages(Partition("t", 0), values, np.arange(ROWS), ROWS, np.arange(ROWS))
    line.fold([messages], WatchtowerJson(), Catalog({"m": SCHEMA}), folder, now=None)
    profiles: dict[tuple[str, str, Over], Profile] = {(key.version, key.segment, Over()): each for key, each in folder.take(None).profiles.items()}
    own = {("", ""): make_reference_profile(binning, reference(), ROWS)}
    closed = Closed("m", MINUTE, "1", profiles, {}, own, {}, binning, "", settings=WATCHED)
    needs = {name: Need(MeasureName.parse(name)) for name in measures}
    board = score(closed, frozenset(needs.values()))
    return {name: told(board.scores[Slot(version, segment, need)]) for name, need in needs.items()}


def _row(i: int) -> dict[str, object]:
    """Even rows are DE, odd ones FR; of the eight rows 0..7 DE's 2, 4, 6 and FR's 1 are positive."""
    country, p = ("DE", "FR")[i % 2], 0.9 if i % 8 in {1, 2, 4, 6} else 0.2
    features = {"amount": i / 50, "country": country, "note": "late parcel", "device": "x"}
    return {"model": "m", "version": "1", "id": f"r{i % 200}", "time": "2026-11-20T10:00:01Z", "features": features, "prediction": p}


def test_what_a_window_says() -> None:
    found = scored("quality.duplicate_share", "quality.schema_changes", "fairness.demographic_parity_difference", "fairness.disparate_impact_ratio")
    assert found["quality.duplicate_share"] == {"": 0.5}
    assert found["quality.schema_changes"] == {"": 1.0}
    assert found["fairness.demographic_parity_difference"] == {"country": pytest.approx(0.5)}
    assert found["fairness.disparate_impact_ratio"] == {"country": pytest.approx(1 / 3)}


def test_ids_that_no_rule_asks_for_are_not_counted() -> None:
    assert "no ids" in str(scored("quality.duplicate_share", counted=False)["quality.duplicate_share"][""])


def test_a_segment_is_no_whole() -> None:
    assert "the whole only" in str(scored("fairness.disparate_impact_ratio", segment="country=DE")["fairness.disparate_impact_ratio"]["country"])


def test_derived_features_drift_like_others_and_the_predictions_own_do_not() -> None:
    found = scored("drift.psi", "drift.wasserstein", "prediction.psi")
    assert list(found["drift.psi"]) == ["amount", "country", "note", "note.length", "note.unknown_words"]
    assert float(found["drift.psi"]["note.unknown_words"]) > 1
    assert float(found["drift.wasserstein"]["note.length"]) > 0.1
    assert found["drift.wasserstein"]["note"] == "numeric features only"
    assert list(found["prediction.psi"]) == ["", "prediction.confidence", "prediction.entropy", "prediction.positive"]


def test_a_rule_on_duplicates_makes_ids_count() -> None:
    rule = Rule(name="Twice", model="a*", when=Above(measure="quality.duplicate_share", value=0.01))
    asked = counts_ids(lambda: RuleBook((rule,), timedelta(minutes=1)))
    assert (asked("abc"), asked("other")) == (True, False)
