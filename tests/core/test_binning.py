"""Binning and folding, against counts made the slow way."""

import numpy as np
import pytest

from watchtower.core.binning import empty_counts, fold_columns, make_binning, make_reference_profile
from watchtower.nouns.batch import Column, FeatureType, Floats, NumberColumn, PredictionKind, TextColumn, VectorColumn
from watchtower.nouns.binning import PREDICTION, Binning, CategoryBins, NumericBins
from watchtower.nouns.settings import FeatureSettings

NAN = float("nan")


def numbers(*values: float) -> NumberColumn:
    return NumberColumn(np.array(values, dtype=float))


def texts(*values: str | None) -> TextColumn:
    names = tuple(dict.fromkeys(each for each in values if each is not None))
    return TextColumn(np.array([-1 if each is None else names.index(each) for each in values], dtype=np.int32), names)


def of_one(column: Column, **settings: FeatureSettings) -> Binning:
    return make_binning({"x": column}, settings, None, ())


def numeric(binning: Binning) -> NumericBins:
    bins = binning.bins[0]
    assert isinstance(bins, NumericBins)
    return bins


def counted_slowly(bins: NumericBins, values: Floats) -> list[int]:
    cells = [0] * bins.size
    for x in values.tolist():
        if np.isnan(x):
            cells[-1] += 1
        elif x < bins.edges[0]:
            cells[bins.inside] += 1
        elif x > bins.edges[-1]:
            cells[bins.inside + 1] += 1
        else:
            cells[min(int(np.searchsorted(bins.edges, x, side="right")) - 1, bins.inside - 1)] += 1
    return cells


def test_a_continuous_column_gets_bins_of_equal_mass_and_finer_tails() -> None:
    values = np.random.default_rng(1).permutation(np.arange(64_000.0))
    bins = numeric(of_one(NumberColumn(values)))
    assert bins.inside == 64 + 4
    assert (bins.edges[0], bins.edges[-1]) == (0.0, 63_999.0)
    counts = fold_columns(of_one(NumberColumn(values)), {"x": NumberColumn(values)}, 64_000)[0]
    assert counts[:68].max() <= 1_001
    assert counts[68:].tolist() == [0, 0, 0]


def test_a_heavy_value_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.zeros(600), np.random.default_rng(2).exponential(1, 400)])
    binning = of_one(NumberColumn(values))
    bins = numeric(binning)
    cell = int(np.flatnonzero(bins.single)[0])
    assert bins.edges[cell] == 0.0
    assert fold_columns(binning, {"x": NumberColumn(values)}, 1_000)[0][cell] == 600


def test_a_constant_column_has_one_inside_cell_and_no_spread() -> None:
    binning = of_one(numbers(*[0.1] * 300))
    bins = numeric(binning)
    assert (bins.inside, bins.mean, bins.sd) == (1, 0.1, 0.0)
    cells, moments, _ = fold_columns(binning, {"x": numbers(0.1, 0.1, 0.2, -3.0, NAN)}, 5)
    assert cells.tolist() == [2, 1, 1, 1]
    assert moments[0].tolist() == pytest.approx([4, 0.1 - 3.1, 0.1**2 + 3.1**2, -3.0, 0.2])


def test_the_order_of_rows_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    values, names = rng.lognormal(size=5_000), tuple("abcdef")
    codes = rng.integers(-1, 6, 5_000).astype(np.int32)
    order = rng.permutation(5_000)
    one = make_binning({"x": NumberColumn(values), "c": TextColumn(codes, names)}, {}, None, ("c",))
    renamed = TextColumn(np.where(codes < 0, -1, 5 - codes)[order].astype(np.int32), names[::-1])
    other = make_binning({"c": renamed, "x": NumberColumn(values[order])}, {}, None, ("c",))
    assert one.id == other.id
    assert one.subjects == other.subjects == ("c", "x")
    assert one.segments == other.segments


def test_another_reference_has_another_id() -> None:
    assert of_one(numbers(1, 2, 3)).id != of_one(numbers(1, 2, 4)).id


@pytest.mark.parametrize("rows", [1, 7, 300, 5_000])
def test_folding_counts_as_the_slow_way_does(rows: int) -> None:
    rng = np.random.default_rng(rows)
    reference = {f"f{i}": NumberColumn(np.round(rng.normal(i, 1 + i, 4_000), i % 3)) for i in range(9)}
    binning = make_binning(reference, {}, None, ())
    columns: dict[str, Column] = {}
    for i in range(9):
        values = np.round(rng.normal(i, 2 + i, rows), i % 3)
        values[rng.random(rows) < 0.1 * (i % 2)] = NAN
        columns[f"f{i}"] = NumberColumn(values)
    cells, moments, oddities = fold_columns(binning, columns, rows)
    assert not oddities.any()
    for i, bins in enumerate(binning.bins):
        values = columns[f"f{i}"].values  # type: ignore[union-attr]
        assert isinstance(bins, NumericBins)
        assert cells[binning.offsets[i] : binning.offsets[i + 1]].tolist() == counted_slowly(bins, values)
        here = values[~np.isnan(values)]
        outside = here[here < bins.edges[0]].sum(), here[here > bins.edges[-1]].sum()
        assert moments[i] == pytest.approx([len(here), (here - bins.mean).sum(), ((here - bins.mean) ** 2).sum(), *outside], abs=1e-8)


def test_folding_parts_adds_up_to_folding_the_whole() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=1_000)
    binning = of_one(NumberColumn(values))
    parts = [fold_columns(binning, {"x": NumberColumn(each)}, len(each)) for each in np.split(values, [10, 400])]
    whole = fold_columns(binning, {"x": NumberColumn(values)}, 1_000)
    assert sum(each[0] for each in parts).tolist() == whole[0].tolist()  # type: ignore[union-attr]
    assert sum(each[1] for each in parts) == pytest.approx(whole[1])


def test_edges_by_hand_are_kept() -> None:
    binning = of_one(numbers(1, 2, 3), x=FeatureSettings(type=FeatureType.NUMERIC, edges=(0.0, 2.0, 10.0)))
    assert numeric(binning).edges.tolist() == [0.0, 2.0, 10.0]
    assert fold_columns(binning, {"x": numbers(-1, 0, 2, 10, 11)}, 5)[0].tolist() == [1, 2, 1, 1, 0]


def test_categories_are_ordered_by_mass_then_name_and_what_the_reference_never_had_is_unseen() -> None:
    binning = of_one(texts("b", "a", "c", "c", None))
    bins = binning.bins[0]
    assert isinstance(bins, CategoryBins)
    assert bins.names == ("c", "a", "b")
    assert fold_columns(binning, {"x": texts("a", "z", None, "a", "y")}, 5)[0].tolist() == [0, 2, 0, 0, 2, 1]


def test_beyond_a_thousand_categories_the_rest_is_other() -> None:
    column = texts(*(f"v{i:04d}" for i in range(1_200)), "v1100")
    binning = of_one(column)
    bins = binning.bins[0]
    assert isinstance(bins, CategoryBins)
    assert (len(bins.names), len(bins.others), bins.names[0]) == (1_000, 200, "v1100")
    cells = fold_columns(binning, {"x": texts("v1100", "v1199", "new")}, 3)[0]
    assert (cells[0], cells[-3], cells[-2]) == (1, 1, 1)


def test_values_of_another_type_and_lacking_columns_are_missing() -> None:
    binning = make_binning({"n": numbers(1, 2), "c": texts("a", "b"), "z": numbers(1, 2)}, {}, None, ())
    columns: dict[str, Column] = {"n": texts("a", None, "b"), "c": NumberColumn(np.array([1.0, NAN, NAN]), np.array([0, 1, 2], dtype=np.int8))}
    cells, _, oddities = fold_columns(binning, columns, 3)
    assert [int(cells[end - 1]) for end in binning.offsets[1:]] == [3, 3, 3]
    assert oddities.tolist() == [[2, 1], [2, 0], [0, 0]]


def test_texts_and_embeddings_are_only_there_or_missing() -> None:
    columns: dict[str, Column] = {"t": texts("x", None, "y"), "e": VectorColumn(np.array([[1.0, 2.0], [NAN, NAN], [NAN, 3.0]]))}
    settings = {"t": FeatureSettings(type=FeatureType.TEXT), "e": FeatureSettings(type=FeatureType.EMBEDDING)}
    binning = make_binning(columns, settings, None, ())
    assert binning.subjects == ("t", "e", "t.length", "t.unknown_words", "e.norm")
    cells, _, oddities = fold_columns(binning, columns, 3)
    assert cells[:6].tolist() == [2, 0, 1] * 2
    assert not oddities.any()


def test_embeddings_of_another_width_are_type_errors() -> None:
    settings = {"e": FeatureSettings(type=FeatureType.EMBEDDING)}
    binning = make_binning({"e": VectorColumn(np.ones((2, 3)))}, settings, None, ())
    wider = {"e": VectorColumn(np.array([[1.0] * 4, [NAN] * 4]))}
    cells, _, oddities = fold_columns(binning, wider, 2)
    assert (cells[:3].tolist(), oddities.tolist()) == ([0, 0, 2], [[1, 0], [0, 0]])


def test_declared_features_alone_are_folded_then_the_prediction() -> None:
    columns: dict[str, Column] = {"b": numbers(1, 2), "a": texts("x", "y"), PREDICTION: numbers(0.1, 0.9), "extra": numbers(1, 2)}
    number = FeatureSettings(type=FeatureType.NUMERIC)
    settings = {"b": number, "gone": number, "a": FeatureSettings(type=FeatureType.CATEGORICAL)}
    binning = make_binning(columns, settings, PredictionKind.PROBABILITY, ("a",))
    assert binning.subjects == ("b", "gone", "a", PREDICTION, "prediction.confidence", "prediction.entropy", "prediction.positive")
    assert binning.segments == {"a": ("x", "y")}
    assert make_binning(columns, settings, PredictionKind.VECTOR, ()).subjects == ("b", "gone", "a")
    assert make_binning(columns, settings, None, ()).subjects == ("b", "gone", "a")


def test_a_reference_profile_is_its_rows_folded() -> None:
    binning = of_one(numbers(1, 2, 2, NAN))
    profile = make_reference_profile(binning, {"x": numbers(1, 2, 2, NAN)}, 4)
    assert (profile.binning, profile.rows, profile.weight, int(profile.cells.sum()), int(profile.cells[-1])) == (binning.id, 4, 4.0, 4, 1)


def test_no_rows_and_no_binning_are_empty() -> None:
    assert [len(each) for each in empty_counts(None)] == [0, 0, 0]
    binning = of_one(numbers(1, 2))
    assert not fold_columns(binning, {"x": numbers()}, 0)[0].any()
