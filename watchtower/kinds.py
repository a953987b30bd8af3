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
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


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
        return core_schema.no_info_plain_validator_function(cls._resolve, serialization=core_schema.plain_serializer_function_ser_schema(lambda member: {"kind": member.kind_name()}))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The union of the family's members, each with its constant ``kind``."""
        if not cls.is_family():
            return handler(schema)
        return {"anyOf": [handler.resolve_ref_schema(_with_kind(kind, handler, cls.member(kind))) for kind in cls.kinds()]}

    @classmethod
    def _resolve(cls, value: Any) -> "Kind":
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping) or "kind" not in value:
            raise PydanticCustomError("kind_missing", "expected a mapping with kind: one of {kinds}", {"kinds": ", ".join(cls.kinds())})
        fields = dict(value)
        kind = fields.pop("kind")
        if kind not in cls.kinds():
            near = get_close_matches(str(kind), cls.kinds(), 1)
            context = {"family": cls.__name__.lower(), "kind": kind, "kinds": ", ".join(cls.kinds()), "near": f" (did you mean {near[0]}?)" if near else ""}
            raise PydanticCustomError("kind_unknown", "unknown {family} kind '{kind}'{near}; known kinds: {kinds}", context)
        return cls.member(kind).model_validate(fields)


def _with_kind(kind: str, handler: GetJsonSchemaHandler, member: type[Kind]) -> JsonSchemaValue:
    schema = dict(handler.resolve_ref_schema(handler(member.__pydantic_core_schema__)))
    schema["properties"] = {"kind": {"const": kind}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    return schema


@cache
def _files(package: str) -> tuple[str, ...]:
    folder = Path(cast("str", importlib.import_module(package).__file__)).parent
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


@cache
def _entries(package: str) -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=package)}
