"""Derived subjects, against values worked out by hand."""

import math

import numpy as np
import pytest

from watchtower.core.binning import fold_columns, make_binning, make_reference_profile
from watchtower.core.deriving import WORDS, derived_columns, derived_of_prediction, words_in
from watchtower.nouns.batch import Column, FeatureType, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.binning import PREDICTION, Binning
from watchtower.nouns.profile import Profile
from watchtower.nouns.settings import FeatureSettings
from watchtower.store.packing import pack_binning, unpack_binning

NAN = float("nan")
TEXT = {"note": FeatureSettings(type=FeatureType.TEXT)}


def texts(*values: str | None) -> TextColumn:
    names = tuple(dict.fromkeys(each for each in values if each is not None))
    return TextColumn(np.array([-1 if each is None else names.index(each) for each in values], dtype=np.int32), names)


def values_of(binning: Binning, columns: dict[str, Column], subject: str, *, own: bool = False) -> list[float]:
    column = derived_columns(binning.derived, binning.widths, columns, own=own)[subject]
    assert isinstance(column, NumberColumn)
    return [float(each) for each in column.values]


def counted(binning: Binning, profile: Profile, subject: str) -> list[int]:
    i = binning.subjects.index(subject)
    return [int(each) for each in profile.cells[binning.offsets[i] : binning.offsets[i + 1]]]


def test_words_are_runs_of_letters_and_digits_whatever_their_case() -> None:
    assert words_in("Don't STRASSE_7, Straße 7!") == ["don", "t", "strasse", "7", "strasse", "7"]


def test_a_text_has_a_length_and_a_share_of_words_that_the_reference_never_had() -> None:
    binning = make_binning({"note": texts("late delivery", "Late refund")}, TEXT, None, ())
    columns: dict[str, Column] = {"note": texts("late LATE parcel", None, "...", "refund", "late LATE parcel")}
    assert values_of(binning, columns, "note.length") == pytest.approx([16, NAN, 3, 6, 16], nan_ok=True)
    assert values_of(binning, columns, "note.unknown_words") == pytest.approx([1 / 3, NAN, NAN, 0, 1 / 3], nan_ok=True)


def test_the_references_own_texts_are_held_against_its_other_rows() -> None:
    columns: dict[str, Column] = {"note": texts("late delivery", "late refund", "late refund")}
    binning = make_binning(columns, TEXT, None, ())
    assert values_of(binning, columns, "note.unknown_words", own=True) == [0.5, 0, 0]
    own, other = make_reference_profile(binning, columns, 3), make_reference_profile(binning, columns, 3, own=False)
    assert counted(binning, own, "note.unknown_words") != counted(binning, other, "note.unknown_words")


def test_rows_beyond_the_sample_that_made_the_binning_are_held_against_all_of_it() -> None:
    binning = make_binning({"note": texts("late delivery", "late refund")}, TEXT, None, ())
    assert values_of(binning, {"note": texts("late delivery", "delivery parcel")}, "note.unknown_words", own=True) == [0.5, 0.5]


def test_quiet_texts_look_like_their_reference() -> None:
    rng = np.random.default_rng(4)
    rows = [" ".join(map(str, row)) for row in np.minimum(rng.zipf(1.3, (4_000, 12)), 10**9).tolist()]
    reference: dict[str, Column] = {"note": texts(*rows[:2_000])}
    binning = make_binning(reference, TEXT, None, ())
    own = np.mean(values_of(binning, reference, "note.unknown_words", own=True))
    quiet = np.mean(values_of(binning, {"note": texts(*rows[2_000:])}, "note.unknown_words"))
    assert own > 0.05
    assert quiet == pytest.approx(own, rel=0.05)


def test_only_the_most_frequent_words_are_known_and_no_word_is_kept() -> None:
    column = texts("again again", "again", *(f"w{i}" for i in range(WORDS + 10)))
    binning = make_binning({"note": column}, TEXT, None, ())
    derived = binning.derived["note.unknown_words"]
    assert (len(derived.words) <= WORDS, len(derived.rare) >= WORDS - 10) == (True, True)
    assert values_of(binning, {"note": texts("again")}, "note.unknown_words") == [0]
    assert b"again" not in pack_binning(binning)


def test_a_real_feature_of_the_name_wins() -> None:
    settings = TEXT | {"note.length": FeatureSettings(type=FeatureType.NUMERIC)}
    columns: dict[str, Column] = {"note": texts("a", "bb"), "note.length": NumberColumn(np.array([7.0, 9.0]))}
    binning = make_binning(columns, settings, None, ())
    assert binning.subjects == ("note", "note.length", "note.unknown_words")
    assert fold_columns(binning, columns, 2)[1][1, :2].tolist() == [2.0, 0.0]


def test_a_dictionary_larger_than_the_rows_is_not_gone_through() -> None:
    binning = make_binning({"note": texts("a b", "b")}, TEXT, None, ())
    column = TextColumn(np.array([3, -1], dtype=np.int32), ("never", "used", "here", "b c d"))
    assert values_of(binning, {"note": column}, "note.unknown_words") == pytest.approx([2 / 3, NAN], nan_ok=True)


def test_an_embedding_has_a_norm() -> None:
    settings = {"face": FeatureSettings(type=FeatureType.EMBEDDING)}
    binning = make_binning({"face": VectorColumn(np.array([[3.0, 4.0], [NAN, NAN]]))}, settings, None, ())
    assert values_of(binning, {"face": VectorColumn(np.array([[3.0, 4.0], [NAN, NAN]]))}, "face.norm") == pytest.approx([5, NAN], nan_ok=True)
    assert derived_columns(binning.derived, binning.widths, {"face": VectorColumn(np.ones((1, 3)))}) == {}


def test_a_probability_has_confidence_and_entropy_in_nats() -> None:
    columns: dict[str, Column] = {PREDICTION: NumberColumn(np.array([0.5, 1.0, 0.2, NAN, 1.2]))}
    binning = make_binning(columns, {}, PredictionKind.PROBABILITY, ())
    entropy = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert values_of(binning, columns, "prediction.confidence") == pytest.approx([0.5, 1, 0.8, NAN, NAN], nan_ok=True)
    assert values_of(binning, columns, "prediction.entropy") == pytest.approx([math.log(2), 0, entropy, NAN, NAN], nan_ok=True)
    assert values_of(binning, columns, "prediction.positive") == pytest.approx([1, 1, 0, NAN, NAN], nan_ok=True)


def test_a_vector_is_folded_by_its_class_and_has_shares() -> None:
    columns: dict[str, Column] = {PREDICTION: VectorColumn(np.array([[1.0, 3.0], [2.0, 2.0], [NAN, NAN], [0.0, 0.0]]))}
    binning = make_binning(columns, {}, PredictionKind.VECTOR, ())
    assert binning.subjects == ("", "prediction.confidence", "prediction.entropy")
    assert (binning.types[0], binning.bins[0].names) == (FeatureType.CATEGORICAL, ("0", "1"))  # type: ignore[union-attr]
    assert fold_columns(binning, columns, 4)[0][:5].tolist() == [2, 1, 0, 0, 1]
    assert values_of(binning, columns, "prediction.confidence") == pytest.approx([0.75, 0.5, NAN, NAN], nan_ok=True)


def test_scores_below_zero_are_logits() -> None:
    columns: dict[str, Column] = {PREDICTION: VectorColumn(np.array([[0.0, math.log(3)], [-1000.0, 1000.0]]))}
    binning = make_binning(columns, {}, PredictionKind.VECTOR, ())
    assert values_of(binning, columns, "prediction.confidence") == pytest.approx([0.75, 1])
    assert values_of(binning, columns, "prediction.entropy") == pytest.approx([-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)), 0])


def test_vectors_of_another_width_are_type_errors() -> None:
    binning = make_binning({PREDICTION: VectorColumn(np.ones((2, 2)))}, {}, PredictionKind.VECTOR, ())
    cells, _, oddities = fold_columns(binning, {PREDICTION: VectorColumn(np.array([[1.0, 2.0, 3.0], [NAN] * 3]))}, 2)
    assert cells[:4].tolist() == [0, 0, 0, 2]
    assert oddities[0].tolist() == [1, 0]


@pytest.mark.parametrize("kind", [PredictionKind.CLASS, PredictionKind.NUMBER, PredictionKind.RANKING, None])
def test_nothing_is_made_of_other_predictions(kind: PredictionKind | None) -> None:
    assert derived_of_prediction(NumberColumn(np.ones(2)), kind, ()) == {}


def test_derived_subjects_are_part_of_the_id_and_survive_the_store() -> None:
    columns: dict[str, Column] = {"note": texts("late delivery", "late refund")}
    binning = make_binning(columns, TEXT, None, ())
    other = make_binning({"note": texts("late delivery", "late parcel")}, TEXT, None, ())
    assert binning.id != other.id
    back = unpack_binning(pack_binning(binning))
    assert values_of(back, {"note": texts("late parcel")}, "note.unknown_words") == [0.5]
    assert (back.id, dict(back.widths)) == (binning.id, dict(binning.widths))
