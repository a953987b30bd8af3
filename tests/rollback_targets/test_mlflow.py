"""The target mlflow, against a real MLflow server."""

import base64
from uuid import uuid4

import pytest
from pydantic import ValidationError

from tests.servers.mlflow import Gate
from tests.servers.mlflow import Mlflow as Server
from watchtower.nouns.errors import RollbackError
from watchtower.rollback_targets import RollbackTarget
from watchtower.rollback_targets._errors import Moved
from watchtower.rollback_targets.mlflow import ROLLED_BACK, Mlflow

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def model(mlflow_server: Server) -> str:
    """Versions 1 to 3 with their artefacts; the alias champion names 3."""
    name = f"fraud-{uuid4().hex[:8]}"
    mlflow_server.publish(name, {"MLmodel": b"flavors: {onnx: {data: model.onnx}}\n"}, count=3)
    mlflow_server.alias(name, "champion", "3")
    return name


def target(server: Server, model: str, **more: object) -> Mlflow:
    return Mlflow.model_validate({"url": server.address, "model": model, "alias": "champion", **more})


def tags(server: Server, model: str, version: str) -> dict[str, str]:
    found = server.ask(f"mlflow/model-versions/get?name={model}&version={version}")["model_version"]
    return {each["key"]: each["value"] for each in found.get("tags", [])}


def test_its_kind_is_its_file() -> None:
    assert RollbackTarget.member("mlflow") is Mlflow


def test_a_rollback_moves_the_alias_and_says_so_at_the_version_it_left(mlflow_server: Server, model: str) -> None:
    session = target(mlflow_server, f"models:/{model}").open()
    switch = session.switch_to("2", expected="3", key="plan-7")
    assert (switch.before, switch.after, switch.changed) == ("3", "2", True)
    assert session.current() == "2"
    assert tags(mlflow_server, model, "3") == {ROLLED_BACK: "plan-7"}
    assert tags(mlflow_server, model, "2") == {}
    assert switch.detail["from"] == "3", "MLflow keeps no history of aliases, so what undoes it is kept here"


def test_no_tag_where_none_is_wanted(mlflow_server: Server, model: str) -> None:
    target(mlflow_server, model, tag=False).open().switch_to("2", expected="3", key="plan-7")
    assert tags(mlflow_server, model, "3") == {}


def test_an_alias_that_is_not_there_names_nothing_and_can_be_made(mlflow_server: Server, model: str) -> None:
    session = target(mlflow_server, model, alias="shadow").open()
    assert session.current() is None
    assert session.state().version is None
    with pytest.raises(Moved, match="names nothing, not 3"):
        session.switch_to("2", expected="3")
    assert session.switch_to("2", expected=None).changed
    assert session.current() == "2"


def test_other_aliases_stay_where_they_are(mlflow_server: Server, model: str) -> None:
    mlflow_server.alias(model, "challenger", "3")
    target(mlflow_server, model).open().switch_to("2", expected="3")
    assert target(mlflow_server, model, alias="challenger").open().current() == "3"


def test_a_model_that_is_not_registered_is_an_error(mlflow_server: Server) -> None:
    session = target(mlflow_server, "no-such-model").open()
    with pytest.raises(RollbackError, match="has no registered model no-such-model"):
        session.current()
    assert session.ready("1")


@pytest.mark.parametrize("candidate", ["9", "", "champion", "2/../3", "02", "٢", "-2", "2&version=1"])
def test_a_candidate_that_is_no_version_is_refused(mlflow_server: Server, model: str, candidate: str) -> None:
    session = target(mlflow_server, model).open()
    with pytest.raises(RollbackError, match="has no version"):
        session.switch_to(candidate, expected="3")
    assert session.current() == "3"


def test_a_version_whose_artefacts_are_gone_is_not_ready(mlflow_server: Server, model: str) -> None:
    lost = f"{model}-lost"
    mlflow_server.publish(lost, {})
    assert target(mlflow_server, model).open().ready("2") == ()
    assert f"artefacts of version 1 of {lost} are gone" in target(mlflow_server, lost).open().ready("1")[0]


def test_a_server_that_is_away_is_a_rollback_error_and_not_ready() -> None:
    session = Mlflow(url=AWAY, model="fraud").open()
    for ask in (session.current, session.state, lambda: session.switch_to("1", expected="2")):
        with pytest.raises(RollbackError, match="did not answer"):
            ask()
    assert "did not answer" in session.ready("1")[0]


class Deaf(Gate):
    """A proxy that loses the answers to what moves an alias; *does*: it moves all the same."""

    def __init__(self, behind: str, *, does: bool) -> None:
        super().__init__(behind, "")
        self.does, self.moves = does, 0

    def cuts(self, path: str) -> bool:
        moved = path.endswith("registered-models/alias")
        self.moves += moved
        return moved

    def instead(self, path: str) -> dict[str, str] | None:
        return None if self.does or not path.endswith("registered-models/alias") else {"lost": "x" * 10}


def test_an_alias_whose_answer_was_lost_is_looked_at(mlflow_server: Server, model: str) -> None:
    with Deaf(mlflow_server.address, does=False) as gate:
        with pytest.raises(RollbackError, match=r"bytes early; alias champion of .* was not moved") as lost:
            target(mlflow_server, model, url=gate.address).open().switch_to("2", expected="3", key="plan-7")
        assert (lost.value.retryable, gate.moves) == (True, 1)
    with Deaf(mlflow_server.address, does=True) as gate:
        switch = target(mlflow_server, model, url=gate.address).open().switch_to("2", expected="3", key="plan-7")
        assert (switch.before, switch.changed, gate.moves) == ("3", True, 1)
    assert tags(mlflow_server, model, "3") == {ROLLED_BACK: "plan-7"}


def test_there_is_no_compare_and_set_and_check_says_what_an_alias_does_not_do() -> None:
    made = Mlflow(url="http://mlflow.example", model="fraud")
    assert not made.compare_and_set
    assert [each.key for each in made.cautions()] == ["alias", "url"]
    assert [each.key for each in Mlflow(url=AWAY, model="fraud").cautions()] == ["alias"]


def test_basic_authentication_and_the_words_of_a_refusal(mlflow_server: Server, model: str) -> None:
    known = "Basic " + base64.b64encode(b"ann:right").decode()
    with Gate(mlflow_server.address, known) as gate:
        settings = {"url": gate.address, "model": model, "alias": "champion", "username": "ann"}
        assert Mlflow.model_validate(settings | {"password": "right"}).open().current() == "3"
        with pytest.raises(RollbackError, match="refused registered-models/get with 401: are token or username and password right") as wrong:
            Mlflow.model_validate(settings | {"password": "wrong-one"}).open().current()
    assert "wrong-one" not in str(wrong.value)


def test_credentials_come_from_mlflows_own_variables_where_the_settings_have_none(mlflow_server: Server, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-the-environment")
    with Gate(mlflow_server.address, "Bearer of-the-environment") as gate:
        assert Mlflow(url=gate.address, model=model, alias="champion").open().current() == "3"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "ftp://x", "model": "fraud"}, "pattern"),
        ({"url": "http://ann:pw@x", "model": "fraud"}, "no user or password in the address"),
        ({"url": AWAY, "model": "a'b"}, "pattern"),
        ({"url": AWAY, "model": "fraud", "alias": "7"}, "pattern"),
        ({"url": AWAY, "model": "fraud", "token": "a", "token_file": "b"}, "say the same"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Mlflow.model_validate(settings)
