"""JSON Schemas: valid, and of one mind with the readers."""

from pathlib import Path

import jsonschema
import pytest

from watchtower.config.document import parse, read_document
from watchtower.config.schemas import SCHEMAS
from watchtower.config.settings import Settings

FINE = """
sources:
  - {kind: file, path: log.jsonl, format: {kind: watchtower_json}}
store: {url: sqlite:///watchtower.db, retention: {windows: 30d, scores: 90d}}
window: {size: 1m, lateness: 30s, idle: never}
models:
  fraud:
    features: {amount: numeric, country: {type: categorical}}
    prediction: {kind: probability, positive: 1}
    reference: {kind: file, path: "references/{version}.parquet"}
    rollback:
      target: {kind: directory, path: models/fraud}
      guards: {cooldown: 1h, at_most: 3 per 1d}
notifiers:
  ml_oncall: {kind: slack, channel: "#ml-oncall", token_file: /run/secrets/slack}
incidents: {quiet: 5 windows}
"""


def fits(name: str, value: object) -> bool:
    """Whether *value* fits the schema *name*."""
    return jsonschema.Draft202012Validator(SCHEMAS[name]()).is_valid(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name]())
    assert SCHEMAS[name]()["title"]


def test_settings_fit_their_schema() -> None:
    value = parse(FINE, "f").value
    assert Settings.model_validate(value).models["fraud"].features["amount"].type == "numeric"
    assert fits("settings", value)
    assert fits("settings", {"source" if key == "sources" else key: each[0] if key == "sources" else each for key, each in value.items()})


@pytest.mark.parametrize(
    "change",
    [
        {"modles": {}},
        {"window": {"size": "soon"}},
        {"notifiers": {"a": {"kind": "slak"}}},
        {"models": {"fraud": {"features": {"amount": "numric"}}}},
        {"source": {}},
        {"incidents": {"quiet": "long"}},
    ],
)
def test_wrong_settings_do_not_fit(change: dict[str, object]) -> None:
    assert not fits("settings", parse(FINE, "f").value | change)


def test_the_rules_that_come_with_watchtower_fit_their_schema() -> None:
    files = [file for file in (Path(__file__).parents[2] / "rules").glob("*.yaml") if not file.name.endswith(".test.yaml")]
    assert files
    assert all(fits("rules", read_document(file).value) for file in files)
    assert not fits("rules", {"rules": [{"name": "A", "model": "*", "when": {"kind": "above", "measure": "drift.psi"}}]})


@pytest.mark.parametrize(
    ("message", "fine"),
    [
        ({"model": "fraud", "features": {"amount": 12.3, "country": "DE", "face": [0.1, 0.2]}, "prediction": 0.87, "gpu": {"device": "0"}}, True),
        ({"model": "fraud", "prediction": None}, True),
        ({"model": "fraud", "id": "r-1", "label": 1}, True),
        ({"model": "fraud", "rows": 2, "features": {"amount": [1, 2]}, "version": "7"}, True),
        ({"model": "fraud"}, False),
        ({"features": {}}, False),
        ({"model": "fraud", "features": [1]}, False),
        ({"model": "fraud", "rows": 2}, False),
    ],
)
def test_messages_fit_their_schema(message: dict[str, object], *, fine: bool) -> None:
    assert fits("message", message) is fine
