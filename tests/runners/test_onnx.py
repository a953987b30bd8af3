"""ONNX models, re-run for real."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.runners.models import endless, greedy, logistic, noisy, placed, two_outputs, zipmap
from watchtower.core.answers import read_answers
from watchtower.nouns.batch import FeatureType, NumberColumn, TextColumn
from watchtower.nouns.errors import ShadowError
from watchtower.nouns.settings import PredictionSettings
from watchtower.runners._bench import Bench, Job, Rows
from watchtower.runners.onnx import Onnx
from watchtower.workers.running import Running

pytest.importorskip("onnxruntime")
PROBABILITY = PredictionSettings.model_validate({"kind": "probability", "positive": "fraud"})
X = np.array([[0.0, 0.0], [1.0, -1.0], [2.0, 3.0]], dtype=np.float32)
RIGHT = 1 / (1 + np.exp(-(X @ [0.5, 0.25])))


def test_answers_are_the_models_own_in_batches(tmp_path: Path) -> None:
    session = Onnx(batch=2).open(placed(tmp_path, "1", logistic([0.5, 0.25])), "cpu")
    outputs = session.run({"X": X})
    assert outputs.arrays["probability"][:, 0] == pytest.approx(RIGHT, abs=1e-6)
    assert (len(outputs.batch_seconds), outputs.provider) == (2, "CPUExecutionProvider")
    assert str(session.inputs()[0]) == "input X (tensor(float), shape [?, 2])"


def test_a_model_with_a_fixed_number_of_rows_is_fed_that_many(tmp_path: Path) -> None:
    session = Onnx().open(placed(tmp_path, "1", logistic([0.5, 0.25], rows=2)), "cpu")
    assert session.run({"X": X}).arrays["probability"][:, 0] == pytest.approx(RIGHT, abs=1e-6)


def test_maps_of_probabilities_are_read_by_key(tmp_path: Path) -> None:
    outputs = Onnx().open(placed(tmp_path, "1", zipmap()), "cpu").run({"X": X[:, :1]})
    assert outputs.columns == {"output_probability": ("fraud", "ok")}
    answers = np.asarray(read_answers(outputs.arrays, outputs.columns, PROBABILITY))
    assert answers == pytest.approx(1 / (1 + np.exp(-X[:, 0])), abs=1e-6)


def test_a_truncated_a_changed_and_a_missing_artefact_are_shadow_errors(tmp_path: Path) -> None:
    blob = logistic([0.5, 0.25])
    for artefact, says in (
        (placed(tmp_path, "1", blob[: len(blob) // 2]), "version 1 does not load"),
        (replace(placed(tmp_path, "2", blob), sha256="0" * 64), "changed while it was read"),
        (replace(placed(tmp_path, "3", blob), path=tmp_path / "none"), "cannot be read"),
    ):
        with pytest.raises(ShadowError, match=says):
            Onnx().open(artefact, "cpu")


def test_cuda_that_is_not_there_is_an_error_and_never_a_slow_success(tmp_path: Path) -> None:
    artefact = placed(tmp_path, "1", logistic([0.5, 0.25]))
    if Onnx().open(artefact, "auto").provider == "CUDAExecutionProvider":
        assert Onnx().open(artefact, "cuda").provider == "CUDAExecutionProvider"
    else:
        with pytest.raises(ShadowError, match=r"device: cuda was asked|does not load"):
            Onnx().open(artefact, "cuda")


def job(*artefacts: object, rows: int = 600, reference: int = 0) -> Job:
    rng = np.random.default_rng(1)

    def columns(n: int) -> Rows:
        amount = NumberColumn(rng.normal(0, 1, n))
        return Rows({"amount": amount, "country": TextColumn(rng.integers(-1, 2, n).astype(np.int32), ("DE", "FR"))}, n)

    types = {"amount": FeatureType.NUMERIC, "country": FeatureType.CATEGORICAL}
    return Job(Onnx(), artefacts, columns(rows), columns(reference) if reference else None, types, {}, PROBABILITY, "cpu")  # type: ignore[arg-type]


def test_versions_run_on_the_same_batches_in_turn(tmp_path: Path) -> None:
    one, two = placed(tmp_path, "1", two_outputs(1.0, ["DE", "FR"], [0.5, -0.5])), placed(tmp_path, "2", two_outputs(-1.0, ["DE", "FR"], [0.5, -0.5]))
    bench = Bench()
    asked = job(two, one, reference=300)
    live, candidate = bench(asked)
    amount = asked.rows.columns["amount"]
    assert isinstance(amount, NumberColumn)
    country = asked.rows.columns["country"]
    assert isinstance(country, TextColumn)
    effect = np.array([0.5, -0.5, 0.0])[country.codes]
    assert np.asarray(live.answers) == pytest.approx(1 / (1 + np.exp(amount.values - effect)), abs=1e-6)
    assert (live.version, candidate.version, live.deterministic) == ("2", "1", True)
    assert len(live.batch_seconds) == len(candidate.batch_seconds) == 37  # turns of 16 and 32 rows; the first one warms up
    assert live.reference is not None
    assert len(live.reference) == 300
    assert bench(job(two, one))[0].reference is None


def test_a_version_that_does_not_run_fails_alone(tmp_path: Path) -> None:
    good, bad = placed(tmp_path, "1", logistic([1.0])), placed(tmp_path, "2", logistic([1.0, 2.0]))
    ran = Bench()(job(good, bad))
    assert ran[0].failure == ""
    assert "input X (tensor(float), shape [?, 2]) does not fit" in ran[1].failure


def test_a_model_that_answers_nan_answers_nan(tmp_path: Path) -> None:
    (ran,) = Bench()(job(placed(tmp_path, "1", logistic([float("nan")]))))
    assert np.isnan(np.asarray(ran.answers)).all()
    assert (ran.failure, ran.deterministic) == ("", True)


def test_no_rows_are_no_answers_and_no_failure(tmp_path: Path) -> None:
    (ran,) = Bench()(job(placed(tmp_path, "1", logistic([1.0])), rows=0))
    assert (len(ran.answers), ran.failure) == (0, "")


@pytest.mark.parametrize("scale", [1e-9, 0.01])
def test_a_model_that_draws_lots_is_found_and_how_much_it_draws(tmp_path: Path, scale: float) -> None:
    (ran,) = Bench()(pairs(placed(tmp_path, "1", noisy(scale))))
    assert ran.failure == ""
    assert ran.deterministic is (scale < 1e-6), "rounding is no lottery"
    assert ran.jitter <= max(10 * scale, 1e-6)
    assert scale < 1e-6 or ran.jitter >= scale / 2


def pairs(*artefacts: object, rows: int = 600) -> Job:
    rng = np.random.default_rng(1)
    columns = {name: NumberColumn(rng.normal(0, 1, rows)) for name in "ab"}
    settings = PredictionSettings.model_validate({"kind": "number"})
    return Job(Onnx(), artefacts, Rows(columns, rows), None, dict.fromkeys("ab", FeatureType.NUMERIC), {}, settings, "cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize(("bad", "says"), [(greedy, "version 2 ran out of memory: "), (endless, "took over 3 s and was ended")])
def test_who_takes_all_memory_or_all_time_fails_alone(tmp_path: Path, bad: Callable[[], bytes], says: str) -> None:
    running = Running()
    try:
        live, candidate = running.ran(pairs(placed(tmp_path, "2", bad()), placed(tmp_path, "1", noisy(1e-9))), timedelta(seconds=3))
    finally:
        running.rest()
    assert says in live.failure
    assert (candidate.failure, len(candidate.answers)) == ("", 600)
