"""The model store mlflow, against a real MLflow server whose models its own client logged."""

import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.runners.models import logistic
from tests.servers.mlflow import Gate
from tests.servers.mlflow import Mlflow as Server
from watchtower.core.changes import Known, changed
from watchtower.model_stores import Artefact
from watchtower.model_stores.mlflow import Mlflow
from watchtower.nouns.errors import ShadowError
from watchtower.runners.onnx import Onnx

PLAN = {
    "name": "credit",
    "versions": [
        {
            "flavor": "onnx",
            "weight": 1.0,
            "params": {"depth": 6, "eta": 0.1},
            "metrics": {"auc": 0.94, "recall": 0.7},
            "data": "s3://training/october.parquet",
            "user": "ann",
        },
        {
            "flavor": "external",
            "weight": 2.0,
            "params": {"depth": 8, "eta": 0.1},
            "metrics": {"auc": 0.91},
            "data": "s3://training/november.parquet",
            "user": "ben",
        },
        {"flavor": "sklearn", "params": {"C": 1.0}},
    ],
}


@pytest.fixture(scope="module")
def logged(mlflow_server: Server) -> list[dict[str, Any]]:
    """Three versions: ONNX, ONNX with tensors in a file of their own, scikit-learn; the alias champion names 2."""
    made = mlflow_server.register(PLAN)
    mlflow_server.alias("credit", "champion", "2")
    mlflow_server.ask("mlflow/model-versions/update", {"name": "credit", "version": "1", "description": "the autumn model"}, method="PATCH")
    mlflow_server.ask("mlflow/model-versions/set-tag", {"name": "credit", "version": "1", "key": "team", "value": "risk"})
    return made


def store(server: Server, tmp_path: Path, **more: object) -> Mlflow:
    return Mlflow.model_validate({"url": server.address, "model": "credit", "cache": {"path": str(tmp_path / "cache")}, **more})


def answers(artefact: Artefact, wide: int) -> list[float]:
    session = Onnx().open(artefact, "cpu")
    found = session.run({"X": np.full((2, wide), 0.5, dtype=np.float32)}).arrays["probability"]
    session.close()
    return [float(each) for each in found.ravel()]


def test_what_mlflows_client_logged_runs(mlflow_server: Server, logged: list[dict[str, Any]], tmp_path: Path) -> None:
    session = store(mlflow_server, tmp_path).open()
    assert session.versions() == ("1", "2", "3") == tuple(each["version"] for each in logged)
    one, two = session.fetch("1"), session.fetch("2")
    assert answers(one, 2) == pytest.approx([1 / (1 + np.exp(-0.5))] * 2)
    assert answers(two, 4096) == pytest.approx([1 / (1 + np.exp(-1.0))] * 2, abs=1e-5)
    assert two.external, "4,096 weights lie in a file of their own"


def test_what_the_run_says_is_the_metadata(mlflow_server: Server, logged: list[dict[str, Any]], tmp_path: Path) -> None:
    found = store(mlflow_server, tmp_path).open().fetch("1")
    told = found.metadata
    assert (told["author"], told["description"], told["tags"]) == ("ann", "the autumn model", {"team": "risk"})
    assert (told["parameters"], told["metrics"]) == ({"depth": "6", "eta": "0.1"}, {"auc": 0.94, "recall": 0.7})
    assert told["run"] == logged[0]["run"]
    assert isinstance(told["training_data"], list)
    assert {key: told["training_data"][0][key] for key in ("name", "context")} == {"name": "october.parquet", "context": "training"}
    assert found.created is not None
    assert store(mlflow_server, tmp_path).open().created("1") == found.created


@pytest.mark.usefixtures("logged")
def test_what_changed_between_two_registered_versions(mlflow_server: Server, tmp_path: Path) -> None:
    session = store(mlflow_server, tmp_path).open()
    live, candidate = (Known(each.version, each.sha256, each.size, each.opset, each.metadata) for each in (session.fetch("2"), session.fetch("1")))
    found = changed(live, candidate)
    assert found["parameters"] == {"depth": {"live": "8", "candidate": "6"}}
    assert found["author"] == {"live": "ben", "candidate": "ann"}
    assert found["metrics"] == {"auc": {"live": 0.91, "candidate": 0.94}, "recall": {"live": None, "candidate": 0.7}}
    line = str(found["line"])
    assert line.startswith("2 beside 1: depth 8 (was 6), training data november.parquet (was october.parquet), author ben (was ann), auc 0.91 (was 0.94)")


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize("named", ["champion", "models:/credit@champion", "models:/credit/2", "credit/2", "models:/credit/champion"])
def test_a_version_may_be_named_by_its_alias_or_as_mlflow_does(mlflow_server: Server, tmp_path: Path, named: str) -> None:
    session = store(mlflow_server, tmp_path, model="models:/credit").open()
    artefact = session.fetch(named)
    assert (artefact.version, artefact.metadata["registered_version"]) == (named, "2")
    assert artefact.sha256 == session.fetch("2").sha256


@pytest.mark.usefixtures("logged")
def test_an_alias_that_moved_names_another_artefact(mlflow_server: Server, tmp_path: Path) -> None:
    session = store(mlflow_server, tmp_path).open()
    mlflow_server.alias("credit", "moving", "1")
    first = session.fetch("moving").sha256
    mlflow_server.alias("credit", "moving", "2")
    assert session.fetch("moving").sha256 != first


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("3", r"no ONNX model \(flavours: .*sklearn.*\): it is scikit-learn's: skl2onnx"),
        ("9", "version 9 of credit at .* is not there"),
        ("loser", "neither a version's number nor one of the aliases .*champion"),
        ("models:/other/1", "names no version of the registered model credit"),
    ],
)
def test_what_cannot_run_says_why(mlflow_server: Server, tmp_path: Path, version: str, says: str) -> None:
    with pytest.raises(ShadowError, match=says):
        store(mlflow_server, tmp_path).open().fetch(version)


def test_artefacts_that_are_gone_are_broken_evidence(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("gone", {})
    with pytest.raises(ShadowError, match=r"has no MLmodel at mlflow-artifacts:/0/.*: its artefacts are gone"):
        store(mlflow_server, tmp_path, model="gone").open().fetch("1")


def test_a_model_that_is_not_registered_has_no_versions(mlflow_server: Server, tmp_path: Path) -> None:
    session = store(mlflow_server, tmp_path, model="unheard-of").open()
    assert session.versions() == ()
    assert session.created("1") is None


def test_a_tag_may_record_the_digest(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("tagged", {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n", "model.onnx": logistic([1.0])})
    mlflow_server.ask("mlflow/model-versions/set-tag", {"name": "tagged", "version": "1", "key": "sha256", "value": "0" * 64})
    with pytest.raises(ShadowError, match="not the recorded one"):
        store(mlflow_server, tmp_path, model="tagged").open().fetch("1")


def test_while_the_server_is_away_what_was_fetched_before_is_used(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("away", {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n", "model.onnx": logistic([1.0])}, count=2)
    with Gate(mlflow_server.address, "") as gate:
        session = store(mlflow_server, tmp_path, model="away", url=gate.address).open()
        before = session.fetch("1")
        mlflow_server.alias("away", "champion", "1")
        assert session.fetch("champion").path == before.path, "one version is kept once"
    assert session.fetch("1") == before
    with pytest.raises(ShadowError, match="cannot be asked"):
        session.fetch("champion")
    assert session.created("1") is None
    with pytest.raises(ShadowError, match="cannot be asked"):
        session.fetch("2")
    with pytest.raises(ShadowError, match="cannot be asked"):
        session.versions()


def test_what_is_kept_is_not_downloaded_again(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("kept", {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n", "model.onnx": logistic([1.0])})
    with Gate(mlflow_server.address, "") as gate:
        session = store(mlflow_server, tmp_path, model="kept", url=gate.address).open()
        first = session.fetch("1")
        gate.calls.clear()
        assert session.fetch("1") == first
        assert not any("model.onnx" in call for call in gate.calls)


@pytest.mark.parametrize("scheme", ["", "file://", "local://"])
def test_artefacts_that_the_server_does_not_hand_out_are_read_where_they_are(mlflow_server: Server, tmp_path: Path, scheme: str) -> None:
    at = tmp_path / "artefacts" / "model"
    at.mkdir(parents=True)
    (at / "MLmodel").write_text("flavors: {onnx: {data: net.onnx}}")
    (at / "net.onnx").write_bytes(logistic([1.0]))
    uri = f"{scheme}{at}"
    name = f"elsewhere-{scheme.partition(':')[0] or 'path'}"
    with Answering(mlflow_server.address, uri) as gate:
        mlflow_server.publish(name, {})
        found = store(mlflow_server, tmp_path, model=name, url=gate.address).open().fetch("1")
    assert found.path.read_bytes() == logistic([1.0])


class Answering(Gate):
    """A gate that says *uri* where it is asked for a download address: MLflow's server takes only sources that it hands out, others' do not."""

    def __init__(self, behind: str, uri: str) -> None:
        super().__init__(behind, "")
        self.uri = uri

    def instead(self, path: str) -> dict[str, str] | None:
        return {"artifact_uri": self.uri} if "get-download-uri" in path else None


def test_artefacts_at_another_server_are_not_asked_for_with_our_credentials(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("proxied", {})
    away = Answering(mlflow_server.address, "mlflow-artifacts://elsewhere.example:5000/0/model")
    with away as gate, pytest.raises(ShadowError, match=r"elsewhere\.example:5000, another server than .*: it is not asked"):
        store(mlflow_server, tmp_path, model="proxied", url=gate.address).open().fetch("1")


def test_a_download_that_ends_early_is_no_artefact(mlflow_server: Server, tmp_path: Path) -> None:
    mlflow_server.publish("short", {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n", "model.onnx": logistic([1.0])})
    with Gate(mlflow_server.address, "", cut=r"model\.onnx$") as gate, pytest.raises(ShadowError, match=r"ended .* bytes early"):
        store(mlflow_server, tmp_path, model="short", url=gate.address).open().fetch("1")


@pytest.mark.usefixtures("logged")
def test_secrets_show_in_no_repr_and_no_error(mlflow_server: Server, tmp_path: Path) -> None:
    secret = "s3cret-that-must-not-show"  # noqa: S105  of this test only
    with Gate(mlflow_server.address, f"Bearer {secret}") as gate:
        made = store(mlflow_server, tmp_path, url=gate.address, token=secret)
        assert made.open().versions() != ()
        gate.closed = True
        with pytest.raises(ShadowError) as wrong:
            made.open().versions()
    assert secret not in repr(made) + made.model_dump_json() + repr(vars(made.open())) + str(wrong.value) + repr(wrong.value)


@pytest.mark.parametrize(("key", "value"), [("url", "ftp://x"), ("model", "models:/a/b"), ("model", "a@b"), ("model", "")])
def test_settings_that_cannot_be_meant_are_refused(key: str, value: str) -> None:
    with pytest.raises(ValidationError, match=key):
        Mlflow.model_validate({"url": "http://127.0.0.1:9", "model": "fraud", key: value})


def test_the_server_is_the_real_one(mlflow_server: Server) -> None:
    with urllib.request.urlopen(f"{mlflow_server.address}/version", timeout=10) as answer:
        assert answer.read().decode().startswith("3.")
