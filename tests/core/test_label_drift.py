"""Drift of labels and residuals: the statistics' own numbers, honest p-values, and reasons."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from watchtower.core.binning import make_binning, make_reference_profile
from watchtower.core.label_references import with_reference_labels
from watchtower.core.labelled import Met, labelled, merge_labelled
from watchtower.core.merging import empty
from watchtower.core.naming import known, names
from watchtower.core.scoring import score
from watchtower.nouns.batch import Column, Floats, NumberColumn, PredictionKind, TextColumn
from watchtower.nouns.labels import Labelled, Values
from watchtower.nouns.profile import Profile
from watchtower.nouns.score import Closed, MeasureName, Need, Over, Scores, Slot
from watchtower.nouns.settings import PredictionSettings
from watchtower.nouns.window import Window
from watchtower.statistics import Statistic
from watchtower.store.label_packing import pack_labelled, unpack_labelled

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
RNG = np.random.default_rng(17)


def values(array: Floats) -> Values:
    return Values(np.asarray(array, dtype=np.float64), (), np.full(len(array), -1, dtype=np.int32))


def word(text: str) -> Values:
    return Values(np.full(1, np.nan), (text,), np.zeros(1, dtype=np.int32))


def summed(answers: Floats, labels: Floats, kind: PredictionKind = PredictionKind.NUMBER, weights: Floats | None = None) -> Labelled:
    whole = Met(values(answers), values(labels), np.zeros(len(answers)), np.ones(len(answers)) if weights is None else weights)
    found = merge_labelled([labelled(whole.at(rows), kind, centre=float(i)) for i, rows in enumerate(np.array_split(np.arange(len(answers)), 3))])
    assert found is not None
    return unpack_labelled(pack_labelled(found))


def scored(statistic: str, there: Labelled | str | None, here: Labelled | None, against: str = "reference", min_rows: int | None = None) -> Scores:
    need = Need(MeasureName.parse(f"labels.{statistic}"), against=against, min_rows=min_rows)
    other: Profile | str = there if isinstance(there, str) else replace(empty(None), labelled=there)
    references = {("1", ""): other} if isinstance(other, Profile) else {}
    compared = {("1", "", Over(), against): other}
    profiles = {("1", "", Over()): replace(empty(None), labelled=here)}
    reason = there if isinstance(there, str) else ""
    return score(Closed("m", WINDOW, "1", profiles, {("", Over()): 1}, references, compared, None, reason), frozenset({need})).scores[Slot("1", "", need)]


def test_every_statistic_is_a_measure_of_labels() -> None:
    assert {f"labels.{kind}" for kind in Statistic.kinds()} <= set(names())
    assert known(MeasureName.parse("labels.psi(bins=20)")) is None
    assert known(MeasureName.parse("labels.coverage(bins=20)")) == "measure 'labels.coverage' takes no parameters"
    assert (MeasureName.parse("labels.psi").is_tested, MeasureName.parse("labels.delay").is_tested) == (True, False)
    assert MeasureName.parse("labels.psi").subjects == ""


Y, Z = RNG.normal(100, 20, 4_000), RNG.normal(105, 20, 3_000)
E, F = RNG.normal(0, 5, 4_000), RNG.normal(0, 5, 3_000)
OLD, NEW = summed(Y + E, Y), summed(Z + F, Z)


@pytest.mark.parametrize("statistic", sorted(Statistic.kinds()))
def test_labels_moved_and_residuals_did_not(statistic: str) -> None:
    found = scored(statistic, OLD, NEW)
    assert found.subjects == ("", "residual")
    assert found.reasons == (None, None)
    assert found.values[0] > found.values[1]
    assert found.p_values[0] < 1e-6
    assert found.p_values[1] > 0.01
    assert found.n.tolist() == [3_000, 3_000]


def test_numbers_agree_with_scipy_on_the_rows() -> None:
    assert scored("kolmogorov_smirnov", OLD, NEW).values == pytest.approx([stats.ks_2samp(Y, Z).statistic, stats.ks_2samp(E, F).statistic], abs=0.012)
    assert scored("wasserstein", OLD, NEW).values == pytest.approx(
        [stats.wasserstein_distance(Y, Z) / Y.std(), stats.wasserstein_distance(E, F) / E.std()], abs=0.02
    )
    assert scored("mean_shift", OLD, NEW).values == pytest.approx([abs(Z.mean() - Y.mean()) / Y.std(), abs(F.mean() - E.mean()) / E.std()], rel=1e-6)


def test_classes_agree_with_the_formula_and_scipy() -> None:
    old, new = np.repeat([0.0, 1.0, 2.0], [500, 300, 200]), np.repeat([0.0, 1.0, 2.0], [300, 100, 100])
    found = scored("chi_square", summed(old, old, PredictionKind.CLASS), summed(new, new, PredictionKind.CLASS))
    assert found.p_values[0] == pytest.approx(stats.chi2_contingency([[500, 300, 200], [300, 100, 100]], correction=False).pvalue)
    assert found.reasons == (None, "probabilities and numbers only")
    distance = scored("total_variation", summed(old, old, PredictionKind.CLASS), summed(new, new, PredictionKind.CLASS))
    assert distance.values[0] == pytest.approx((0.1 + 0.1 + 0.0) / 2)
    assert scored("wasserstein", summed(old, old, PredictionKind.CLASS), summed(new, new, PredictionKind.CLASS)).reasons[0] == "numeric features only"


def certain(rate: float, bias: float, n: int = 4_000) -> tuple[Floats, Floats]:
    p = RNG.beta(2, 2, n)
    return p, (RNG.random(n) < np.clip(p * rate + bias, 0, 1)).astype(np.float64)


def test_probabilities_have_labels_and_residuals() -> None:
    (p, y), (q, z) = certain(1, 0), certain(1, 0.15)
    sides = summed(p, y, PredictionKind.PROBABILITY), summed(q, z, PredictionKind.PROBABILITY)
    labels = scored("total_variation", *sides)
    assert labels.values[0] == pytest.approx(abs(y.mean() - z.mean()))
    found = scored("kolmogorov_smirnov", *sides)
    assert found.reasons == ("numeric features only", None)
    assert found.values[1] == pytest.approx(stats.ks_2samp(p - y, q - z).statistic, abs=0.02)
    assert scored("mean_shift", *sides).values[1] == pytest.approx(abs((q - z).mean() - (p - y).mean()) / (p - y).std(), rel=1e-6)


def test_quiet_labels_are_found_as_often_as_asked() -> None:
    p_values = []
    for _ in range(300):
        y, e = RNG.normal(50, 10, 2_000), RNG.normal(0, 1, 2_000)
        z, f = RNG.normal(50, 10, 400), RNG.normal(0, 1, 400)
        p_values.append(scored("psi", summed(y + e, y), summed(z + f, z)).p_values)
    for share in (np.array(p_values) < 0.1).mean(axis=0):
        assert 0.05 <= share <= 0.16


def test_weights_move_shares_and_not_the_number_of_rows() -> None:
    y = np.repeat([0.0, 1.0], [500, 500])
    heavy = summed(y, y, PredictionKind.CLASS, np.repeat([3.0, 1.0], 500))
    found = scored("total_variation", summed(y, y, PredictionKind.CLASS), heavy)
    assert found.values[0] == pytest.approx(0.25)
    assert found.n[0] == 800
    assert scored("total_variation", summed(y, y, PredictionKind.CLASS), summed(y, y, PredictionKind.CLASS, np.full(1_000, 7.0))).n[0] == 1_000


def test_reasons() -> None:
    assert scored("psi", None, NEW).reasons == ("no labels in the reference",) * 2
    assert scored("psi", OLD, None).reasons == ("no labels",) * 2
    assert scored("psi", None, NEW, against="1d").reasons == ("no labels 1d ago",) * 2
    assert scored("psi", "no windows 1d ago", NEW, against="1d").reasons == ("no windows 1d ago",) * 2
    assert scored("psi", "reference: 7 of 15 windows", NEW).reasons == ("reference: 7 of 15 windows",) * 2
    assert scored("psi", OLD, summed(Z[:50], Z[:50])).reasons == ("50 of 200 rows",) * 2
    assert scored("psi", OLD, summed(Z[:50], Z[:50]), min_rows=20).reasons == (None, None)
    assert scored("psi", OLD, summed(Y, Y, PredictionKind.CLASS)).reasons == ("labels of a number there, of a class here",) * 2
    ranking = labelled(Met(word('["a"]'), word("a"), np.zeros(1), np.ones(1)), PredictionKind.RANKING)
    assert scored("psi", ranking, ranking).reasons == ("classes, probabilities and numbers only",) * 2
    same = np.full(500, 1_000.1)
    assert scored("wasserstein", summed(same, same), NEW).reasons == ("constant reference",) * 2


def test_the_day_before_is_compared_alike() -> None:
    assert scored("kolmogorov_smirnov", OLD, NEW, against="1d").values == pytest.approx(scored("kolmogorov_smirnov", OLD, NEW).values)


def reference(columns: dict[str, Column], labels: list[str | None], kind: PredictionKind, segments: tuple[str, ...] = ()) -> dict[tuple[str, str], Profile]:
    binning = make_binning(columns, {}, kind if "" in columns else None, segments)
    profile = make_reference_profile(binning, columns, len(labels))
    keys = [("", ""), *(("", f"{name}={value}") for name in segments for value in binning.segments[name])]
    return with_reference_labels(dict.fromkeys(keys, profile), binning, columns, labels, PredictionSettings(kind=kind))


def test_labelled_rows_of_a_reference_file_are_compared_with() -> None:
    labels = [None if i % 10 == 0 else str(value) for i, value in enumerate(Y.tolist())]
    country = TextColumn(np.arange(4_000, dtype=np.int32) % 2, ("DE", "FR"))
    found = reference({"": NumberColumn(Y + E), "country": country}, labels, PredictionKind.NUMBER, ("country",))
    assert found["", ""].labelled is not None
    assert found["", ""].labelled.rows == 3_600
    assert [found["", f"country={name}"].labelled.rows for name in ("DE", "FR")] == [1_600, 2_000]  # type: ignore[union-attr]
    assert scored("kolmogorov_smirnov", found["", ""].labelled, NEW).p_values[0] < 1e-6


@pytest.mark.parametrize("kind", [PredictionKind.NUMBER, PredictionKind.PROBABILITY, PredictionKind.CLASS])
def test_without_predictions_the_file_has_labels_alone(kind: PredictionKind) -> None:
    there = reference({"x": NumberColumn(np.arange(1_000.0))}, [str(i % 2) for i in range(1_000)], kind)["", ""].labelled
    y = np.arange(600.0) % 2
    found = scored("psi", there, summed(y, y, kind))
    assert found.values[0] == pytest.approx(0.0, abs=1e-6)
    assert found.reasons[1] == ("probabilities and numbers only" if kind is PredictionKind.CLASS else "no predictions in the reference")


def test_a_file_without_labels_has_none() -> None:
    assert reference({"": NumberColumn(Y)}, [None] * 4_000, PredictionKind.NUMBER)["", ""].labelled is None
