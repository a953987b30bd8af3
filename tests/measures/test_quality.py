"""Quality."""

from dataclasses import replace

import numpy as np
import pytest

from tests.measures.views import folded, served, told, view
from watchtower.core.binning import make_binning
from watchtower.core.referencing import with_lacking
from watchtower.core.sketching import KEPT, IdTally, merge_ids
from watchtower.measures.quality import Quality
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, TextColumn
from watchtower.nouns.profile import Ids
from watchtower.nouns.score import View
from watchtower.nouns.settings import FeatureSettings

NAN = float("nan")


def texts(*codes: int) -> TextColumn:
    return TextColumn(np.array(codes, dtype=np.int32), ("a", "b", "new"))


REFERENCE: dict[str, Column] = {"amount": NumberColumn(np.array([1.0, 2.0, 3.0, 10.0])), "country": texts(0, 1, 0, 0)}
BINNING = make_binning(REFERENCE, {}, None, ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing_share", {"amount": 0.4, "country": 0.2}),
        ("nonfinite_share", {"amount": 0.2, "country": 0.0}),
        ("type_error_share", {"amount": 0.2, "country": 0.0}),
        ("out_of_range_share", {"amount": 2 / 3, "country": "numeric features only"}),
        ("unseen_share", {"amount": "categorical features only", "country": 0.5}),
        ("constant", {"amount": 0.0, "country": 0.0}),
    ],
)
def test_shares_by_hand(name: str, expected: dict[str, float | str]) -> None:
    columns: dict[str, Column] = {
        "amount": NumberColumn(np.array([0.5, 2.0, 11.0, NAN, NAN]), np.array([0, 0, 0, 1, 2], dtype=np.int8)),
        "country": texts(0, 2, -1, 2, 1),
    }
    assert told(Quality().score(name, view(folded(BINNING, columns, 5), binning=BINNING))) == {key: pytest.approx(value) for key, value in expected.items()}


@pytest.mark.parametrize(
    ("amount", "country", "expected"), [([7.3] * 3, (1, 1, -1), {"amount": 1.0, "country": 1.0}), ([7.3, 7.3, 7.4], (2, 2, 2), {"amount": 0.0, "country": 0.0})]
)
def test_a_stuck_feature_is_constant(amount: list[float], country: tuple[int, ...], expected: dict[str, float]) -> None:
    columns: dict[str, Column] = {"amount": NumberColumn(np.array(amount)), "country": texts(*country)}
    assert told(Quality().score("constant", view(folded(BINNING, columns, 3), binning=BINNING))) == expected


def test_a_share_of_no_values_is_a_reason() -> None:
    columns: dict[str, Column] = {"amount": NumberColumn(np.array([NAN, NAN]))}
    scores = Quality().score("out_of_range_share", view(folded(BINNING, columns, 2), binning=BINNING))
    assert told(scores)["amount"] == "no rows"


def test_without_a_reference_or_rows_the_reason_says_so() -> None:
    assert told(Quality().score("missing_share", view(served(9), reason="reference: 7 of 15 windows"))) == {"": "reference: 7 of 15 windows"}
    assert told(Quality().score("missing_share", view(served(0), binning=BINNING))) == {"amount": "no rows", "country": "no rows"}
    assert told(Quality().score("missing_share", view(served(9), binning=BINNING, reason="early"))) == {"amount": "early", "country": "early"}


def test_shares_have_wilsons_interval_and_constant_has_none() -> None:
    """1 of 4: Wilson's interval is 0.0456 to 0.6994."""
    columns: dict[str, Column] = {"amount": NumberColumn(np.array([NAN, 2.0, 2.0, 3.0])), "country": texts(0, 0, 0, 0)}
    at = view(folded(BINNING, columns, 4), binning=BINNING)
    more = Quality().score("missing_share", at).more(0)
    assert more == {"low": pytest.approx(0.0456, abs=5e-5), "high": pytest.approx(0.6994, abs=5e-5)}
    assert Quality().score("constant", at).more(1) == {}


def test_derived_features_have_no_quality_of_their_own() -> None:
    settings = {"note": FeatureSettings(type=FeatureType.TEXT)}
    binning = make_binning({"note": texts(0, 1)}, settings, None, ())
    assert told(Quality().score("missing_share", view(folded(binning, {"note": texts(0, -1)}, 2), binning=binning))) == {"note": 0.5}


# -------------------------------------------------------------------------------------------- duplicates


def identified(*ids: str) -> View:
    tally = IdTally()
    tally.add(ids)
    return with_ids(tally.frozen())


def with_ids(ids: Ids | None) -> View:
    return view(replace(folded(BINNING, REFERENCE, 4), ids=ids), binning=BINNING)


def test_the_share_of_ids_that_came_before_is_exact_for_few() -> None:
    scores = Quality().score("duplicate_share", identified("a", "b", "a", "", "a", "c"))
    assert (told(scores), scores.n.tolist(), scores.more(0)) == ({"": 0.4}, [5], {})
    assert "no ids" in str(told(Quality().score("duplicate_share", with_ids(None)))[""])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5])
def test_of_many_it_is_an_estimate_whose_interval_holds_it(share: float) -> None:
    rng = np.random.default_rng(11)
    ids = [f"r{i}" for i in range(60_000)]
    again = [ids[i] for i in rng.integers(0, 60_000, int(60_000 * share / (1 - share))).tolist()]
    whole = [*ids, *again]
    scores = Quality().score("duplicate_share", identified(*whole))
    value, true = float(scores.values[0]), 1 - 60_000 / len(whole)
    more = scores.more(0)
    assert float(more["low"]) <= true <= float(more["high"])
    assert value == pytest.approx(true, abs=0.02)
    assert value == 0.0 if share == 0.0 else value >= 0


def test_one_id_that_is_stuck_is_found_though_its_hash_is_not_kept() -> None:
    """Half of the rows have one id: whether or not it is among the kept hashes the share is about a half."""
    for stuck in ("x1", "x2", "x3"):
        scores = Quality().score("duplicate_share", identified(*(f"r{i}" for i in range(20_000)), *[stuck] * 20_000))
        assert scores.values[0] == pytest.approx(0.5, abs=4 / KEPT**0.5)


def test_an_id_that_comes_back_in_another_window_is_a_duplicate() -> None:
    one, other = (IdTally() for _ in range(2))
    one.add(["a", "b"])
    other.add(["b", "c"])
    assert told(Quality().score("duplicate_share", with_ids(merge_ids([one.frozen(), other.frozen()])))) == {"": 0.25}


# -------------------------------------------------------------------------------------------- the schema


def changed(columns: dict[str, Column], rows: int, *unknown: str) -> tuple[float | str, object]:
    reference: dict[str, Column] = {"amount": NumberColumn(np.tile([1.0, 2.0, 3.0, NAN], 25)), "country": texts(*[0, 1] * 50)}
    binning = make_binning(reference, {}, None, ())
    at = replace(view(replace(folded(binning, columns, rows), unknown=unknown), binning=binning), reference=folded(binning, reference, 100))
    scores = Quality().score("schema_changes", at)
    return told(scores)[""], scores.more(0).get("note")


def test_new_gone_and_retyped_features_are_counted_and_named() -> None:
    fine: dict[str, Column] = {"amount": NumberColumn(np.ones(20)), "country": texts(*[0] * 20)}
    assert changed(fine, 20) == (0.0, None)
    assert changed(fine, 20, "device", "amount") == (1.0, "new: device")
    assert changed({"amount": fine["amount"]}, 20, "land") == (2.0, "new: land, gone: country")
    assert changed({**fine, "amount": texts(*[0] * 20)}, 20) == (1.0, "another type: amount")


@pytest.mark.parametrize("rows", [20, 401])
def test_a_feature_that_the_versions_own_file_lacks_is_gone_by_the_models_reference(rows: int) -> None:
    """The file has 10 rows and no country; the model's reference has 1,000 with one."""
    reference: dict[str, Column] = {"amount": NumberColumn(np.arange(1000.0)), "country": texts(*[0, 1] * 500)}
    binning = make_binning(reference, {}, None, ())
    file: dict[str, Column] = {"amount": NumberColumn(np.arange(10.0))}
    own = with_lacking(binning, folded(binning, file, 10), folded(binning, reference, 1000), ["amount"])
    live: dict[str, Column] = {"amount": NumberColumn(np.ones(rows))}
    at = replace(view(folded(binning, live, rows), binning=binning), reference=own)
    assert told(Quality().score("schema_changes", at)) == {"": 1.0}


def test_a_feature_that_may_be_missing_by_chance_is_not_gone() -> None:
    """A quarter of the reference's amounts are missing: 9 rows without are 4e-6 of an accident, 10 are 1e-6."""
    assert changed({"country": texts(*[0] * 9)}, 9) == (0.0, None)
    assert changed({"country": texts(*[0] * 10)}, 10) == (1.0, "gone: amount")
