"""What `check` says of inputs and of kept rows."""

from pathlib import Path

import pytest

from tests.config.folder import RULE, SOURCE, problems, warnings, written

MODEL = "models: {fraud: {artifacts: {kind: directory, path: m}, features: {amount: numeric, note: {type: text, keep: drop}}, %s}}\n"

SEGMENTED = "models: {fraud: {segments: [country], %s}}\n"


@pytest.mark.parametrize(
    ("said", "warning"),
    [
        ("inputs: {X: [amuont]}", "input X takes feature amuont, which features: lacks; did you mean amount?"),
        ("inputs: {X: {image: {feature: photo, size: [4, 4], roots: p}}}", "input X takes feature photo, which features: lacks; add it there"),
        ("keep: raw", "kept rows lack note: no trial can use them; say keep: raw of each, or under inputs: which features the model takes"),
        ("keep: raw, inputs: {X: [amount]}", ""),
        ("keep: raw, inputs: {X: [amount]}, shadow: {rows: 80000}", "a trial takes about 10,000 rows of a window, and 3,072 are kept; say keep_rows: 30000"),
        ("inputs: {X: [amount], t: {value: 1}}", ""),
    ],
)
def test_what_cannot_serve_a_trial_is_told(tmp_path: Path, said: str, warning: str) -> None:
    found = warnings(written(tmp_path, SOURCE + MODEL % said, fraud=RULE))
    assert [each.split(": ", 1)[1] for each in found] == ([warning] if warning else [])


def test_an_input_that_is_two_things_is_refused_where_it_stands(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, SOURCE + MODEL % "inputs: {X: {features: [amount], value: 1}}", fraud=RULE))
    assert "say one of features, image and value" in problem


def test_a_runner_that_needs_no_artefact_is_not_asked_for_one(tmp_path: Path) -> None:
    rule = RULE + "    respond: [shadow]\n"
    text = "models: {fraud: {%s}}\n"
    assert "model 'fraud' has no artifacts" in "".join(warnings(written(tmp_path, SOURCE + text % "", fraud=rule)))
    served = "shadow: {runner: {kind: open_inference, url: 'http://h/v2/models/fraud/versions/{version}'}}"
    assert warnings(written(tmp_path, SOURCE + text % served, fraud=rule)) == []


@pytest.mark.parametrize("said", ["keep: hash, features: {country: categorical}", "features: {country: {type: categorical, keep: drop}}"])
def test_values_of_a_segment_are_stored_so_they_cannot_be_hidden(tmp_path: Path, said: str) -> None:
    (problem,) = problems(written(tmp_path, SOURCE + SEGMENTED % said, fraud=RULE))
    assert "segments are stored by their values, and country is under keep: " in problem
