"""Kind: the base of every family. The file name is the kind.

A family is a package whose ``__init__`` holds its base class; ``kind: slack`` is the file ``slack.py`` in it, which holds one
class whose fields are its YAML keys. A field annotated with the base takes a mapping with ``kind:`` and resolves inside
that base's own package, checked against the folder's listing before anything is imported.
"""

import importlib
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, LiteralString, Self, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo, ValidationError, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

_MISSING: LiteralString = "kind_missing"
FAMILY = "x-family"
"""In a JSON Schema: the base whose members stand here, as ``package:Class``. :func:`json_schema` replaces it."""


class Kind(BaseModel):
    """A frozen member of a family; its fields are its YAML keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def is_family(cls) -> bool:
        """Whether this class is a family's base (it sits in the package's ``__init__``), not a member."""
        return hasattr(sys.modules.get(cls.__module__), "__path__")

    @classmethod
    def family(cls) -> type["Kind"]:
        """The base of the family that this class belongs to."""
        return next(base for base in cls.__mro__ if issubclass(base, Kind) and base is not Kind and base.is_family())

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The names that ``kind:`` may say, sorted: the files of the package and the entry points of third parties."""
        package = cls.family().__module__
        return tuple(sorted({*_files(package), *_entries(package)}))

    @classmethod
    def member(cls, kind: str) -> type[Self]:
        """The class of *kind*; KeyError where there is none."""
        base = cls.family()
        package = base.__module__
        if kind in _files(package):
            module = importlib.import_module(f"{package}.{kind}")
            found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base) and each.__module__ == module.__name__]
            return cast("type[Self]", found[-1])
        return cast("type[Self]", _entries(package)[kind].load())

    @classmethod
    def kind_name(cls) -> str:
        """What ``kind:`` says for this class."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A base resolves ``kind:``; a member is an ordinary model."""
        if not cls.is_family():
            return handler(source)
        written = core_schema.plain_serializer_function_ser_schema(_written, info_arg=True)
        return core_schema.with_info_plain_validator_function(cls._resolve, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A base leaves a mark that :func:`json_schema` replaces: its members may hold the family again."""
        return {FAMILY: f"{cls.__module__}:{cls.__name__}"} if cls.is_family() else handler(schema)

    @classmethod
    def _resolve(cls, value: Any, context: ValidationInfo) -> "Kind":
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            expected = "expected a mapping with kind: one of {kinds}"
            raise PydanticCustomError(_MISSING, expected, {"kinds": ", ".join(cls.kinds())})
        kind = value.get("kind")
        if not isinstance(kind, str) or not (kind in _files(cls.__module__) or kind in _entries(cls.__module__)):
            raise ValidationError.from_exception_data(cls.__name__, [cls._unknown(value)])
        return cls.member(kind).model_validate({key: each for key, each in value.items() if key != "kind"}, context=context.context)

    @classmethod
    def _unknown(cls, value: Mapping[str, Any]) -> InitErrorDetails:
        kinds = cls.kinds()
        known = f"known kinds: {', '.join(kinds)}" if kinds else "this release has none"
        if "kind" not in value:
            missing = PydanticCustomError(_MISSING, "'kind' is missing; {known}", {"known": known})
            return InitErrorDetails(type=missing, loc=(), input=value)
        near = get_close_matches(str(value["kind"]), kinds, 1)
        advice = f"did you mean {near[0]!r}? {known}" if near else known
        words = {"family": _words(cls.__name__), "kind": str(value["kind"]), "advice": advice}
        return InitErrorDetails(type=PydanticCustomError("kind_unknown", "unknown {family} kind '{kind}'; {advice}", words), loc=("kind",), input=value["kind"])


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of what *model* reads: each family is the union of its members, each with its constant ``kind``."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    waiting = _families(schema)
    while waiting:
        mark = waiting.pop()
        package, _, name = mark.partition(":")
        if name in definitions:
            continue
        base: type[Kind] = getattr(importlib.import_module(package), name)
        members = {f"{name}.{kind}": _member_schema(f"{name}.{kind}", kind, base.member(kind)) for kind in base.kinds()}
        definitions[name] = {"anyOf": [{"$ref": f"#/$defs/{each}"} for each in members]} if members else {"not": {}}
        for each, (found, inner) in members.items():
            definitions.update({each: found, **inner})
            waiting += _families(found) + _families(inner)
    return schema


def _member_schema(name: str, kind: str, member: type[Kind]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of *member*, and the definitions it needs under names that begin with *name*."""
    schema = _renamed(member.model_json_schema(), f"#/$defs/{name}.")
    inner = schema.pop("$defs", {})
    schema["properties"] = {"kind": {"const": kind, "title": "Kind"}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    return schema, {f"{name}.{each}": found for each, found in inner.items()}


def _renamed(schema: Any, prefix: str) -> Any:
    """*schema* with every reference to ``#/$defs/X`` made one to *prefix* X."""
    if isinstance(schema, dict):
        return {key: each.replace("#/$defs/", prefix) if key == "$ref" else _renamed(each, prefix) for key, each in schema.items()}
    return [_renamed(each, prefix) for each in schema] if isinstance(schema, list) else schema


def _families(schema: Any) -> list[str]:
    """The marks in *schema*, each replaced by a reference to the definition that the family gets."""
    if isinstance(schema, list):
        return [mark for each in schema for mark in _families(each)]
    if not isinstance(schema, dict):
        return []
    if FAMILY in schema:
        mark: str = schema.pop(FAMILY)
        schema["$ref"] = f"#/$defs/{mark.partition(':')[2]}"
        return [mark]
    return [mark for each in schema.values() for mark in _families(each)]


def _written(member: Kind, info: SerializationInfo) -> dict[str, Any]:
    return {"kind": member.kind_name(), **member.model_dump(mode=info.mode)}


def _words(name: str) -> str:
    """``RollbackTarget`` as ``rollback target``."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


@cache
def _files(package: str) -> tuple[str, ...]:
    folder = Path(cast("str", importlib.import_module(package).__file__)).parent
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


@cache
def _entries(package: str) -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=package)}
