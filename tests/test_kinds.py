"""Kinds: the file name is the kind."""

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from watchtower.conditions import Condition
from watchtower.conditions.above import Above
from watchtower.kinds import Kind, json_schema
from watchtower.meters import Meter
from watchtower.notifiers import Notifier
from watchtower.rollback_targets import RollbackTarget
from watchtower.sources import Source
from watchtower.sources.file import File


class Holder(BaseModel):
    """Anything that has members of families for fields."""

    model_config = {"extra": "forbid"}

    source: Source
    notifiers: dict[str, Notifier] = {}


FILE = {"kind": "file", "path": "log.jsonl", "format": {"kind": "watchtower_json"}}


def test_a_mapping_becomes_the_class_in_the_file_of_its_kind() -> None:
    source = Holder.model_validate({"source": FILE}).source
    assert isinstance(source, File)
    assert (source.path, source.kind_name(), source.format.kind_name()) == ("log.jsonl", "file", "watchtower_json")


def test_a_member_that_is_one_already_is_taken_as_it_is() -> None:
    source = Holder.model_validate({"source": FILE}).source
    assert Holder(source=source).source is source


def test_the_folder_of_validation_reaches_paths_inside_members() -> None:
    source = Holder.model_validate({"source": FILE}, context={"folder": "/srv"}).source
    assert isinstance(source, File)
    assert source.path == "/srv/log.jsonl"


def test_errors_inside_a_member_keep_their_place() -> None:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"source": FILE | {"path": 3, "format": {"kind": "watchtower_jsn"}}, "notifiers": {"a": {"kind": "log", "loud": 1}}})
    assert {each["loc"] for each in caught.value.errors()} == {("source", "path"), ("source", "format", "kind"), ("notifiers", "a", "loud")}


@pytest.mark.parametrize(
    ("family", "value", "said"),
    [
        (Notifier, {"kind": "slak"}, "unknown notifier kind 'slak'; did you mean 'slack'? known kinds: log, slack, webhook"),
        (RollbackTarget, {"kind": "zzz"}, "unknown rollback target kind 'zzz'; known kinds: command, directory, kubernetes, mlflow, triton, webhook"),
        (Notifier, {"channel": "x"}, "'kind' is missing; known kinds: log, slack, webhook"),
        (Notifier, "slack", "expected a mapping with kind: one of log, slack, webhook"),
        (Meter, {"kind": "nvm"}, "unknown meter kind 'nvm'; did you mean 'nvml'? known kinds: nvml, prometheus"),
        (Condition, {"kind": "_reading"}, "unknown condition kind '_reading'"),
        (Condition, {"kind": ["above"]}, "unknown condition kind"),
    ],
)
def test_an_unknown_kind_names_the_nearest_and_the_known_ones(family: type[Kind], value: object, said: str) -> None:
    class One(BaseModel):
        member: family  # type: ignore[valid-type]

    with pytest.raises(ValidationError) as caught:
        One.model_validate({"member": value})
    assert said in caught.value.errors()[0]["msg"]


def test_a_family_lists_its_files_and_no_shared_ones() -> None:
    assert "above" in Condition.kinds()
    assert not [kind for kind in Condition.kinds() if kind.startswith("_")]
    assert Condition.member("above") is Above
    assert Above.family() is Condition
    with pytest.raises(KeyError):
        Condition.member("_reading")


def test_what_is_dumped_can_be_read_again() -> None:
    holder = Holder.model_validate({"source": FILE})
    assert holder.model_dump()["source"]["kind"] == "file"
    assert Holder.model_validate(holder.model_dump()) == holder


def test_the_schema_is_valid_and_knows_each_kind_by_its_constant() -> None:
    schema = json_schema(Holder)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"source": FILE})
    assert not validator.is_valid({"source": FILE | {"kind": "fil"}})
    assert not validator.is_valid({"source": FILE | {"pth": "x"}})
    assert not validator.is_valid({"source": {"kind": "file", "path": "x", "format": {"kind": "nonsense"}}})


def test_every_member_of_every_family_of_settings_has_a_schema() -> None:
    assert all(f"Notifier.{kind}" in json_schema(Holder)["$defs"] for kind in Notifier.kinds())
