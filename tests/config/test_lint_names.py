"""Names in rules that no model has."""

from pathlib import Path

import pytest

from tests.config.folder import SOURCE, warnings, written

MODEL = "models: {fraud: {features: {amount: numeric, note: text, country: categorical}, segments: [country]}}\n"


def rule(*, feature: str = "amount", segment: str = "country=*", model: str = "fraud") -> str:
    when = f"{{kind: above, measure: drift.psi, value: 0.2, feature: {feature!r}}}"
    return f"rules:\n  - {{name: A, model: {model!r}, segment: {segment!r}, when: {when}}}\n"


@pytest.mark.parametrize(
    ("settings", "rules", "warning"),
    [
        (MODEL, rule(feature="amuont"), "no model that rule 'A' watches has a feature 'amuont'; did you mean amount?"),
        (MODEL, rule(feature="zip", model="*"), "has a feature 'zip'; features: amount, country, note"),
        (MODEL, rule(segment="contry=*"), "no model that rule 'A' watches has segments 'contry=*': it never fires; segments are by: country"),
        ("models: {fraud: {}}\n", rule(), "has segments 'country=*': it never fires; say models: NAME: segments: [COLUMN]"),
    ],
)
def test_it_says_which_name_nothing_has(tmp_path: Path, settings: str, rules: str, warning: str) -> None:
    found = warnings(written(tmp_path, SOURCE + settings, fraud=rules))
    assert [warning in each for each in found] == [True]


@pytest.mark.parametrize("rules", [rule(), rule(feature="*"), rule(feature="am*"), rule(feature="note.length"), rule(segment="country=DE"), rule(segment="*")])
def test_it_says_nothing_of_names_that_are_there(tmp_path: Path, rules: str) -> None:
    assert warnings(written(tmp_path, SOURCE + MODEL, fraud=rules)) == []


def test_features_that_are_inferred_may_have_any_name(tmp_path: Path) -> None:
    settings = "models: {fraud: {features: {country: categorical}, segments: [country]}, '*': {}}\n"
    assert warnings(written(tmp_path, SOURCE + settings, fraud=rule(feature="anything", model="*"))) == []
