"""JSON Schemas of what operators and services write."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import UnsetType
from pydantic import ConfigDict

from watchtower.config.settings import Settings
from watchtower.core.rules import Rule
from watchtower.formats._message import Anything, Many, Single
from watchtower.kinds import json_schema
from watchtower.nouns.written import Frozen


class RuleFile(Frozen):
    """A file of rules."""

    model_config = ConfigDict(title="Watchtower rules")

    rules: tuple[Rule, ...]
    """Each name once over all files."""


def settings() -> dict[str, Any]:
    """Of watchtower.yaml; `source:` stands for `sources:` with one entry."""
    schema = json_schema(Settings)
    properties = schema["properties"]
    singular = {one: {**properties[many]["items"], "description": f"`{many}:` with one entry."} for one, many in Settings.SINGULAR.items()}
    schema["properties"] = {**singular, **properties}
    schema["required"] = [each for each in schema["required"] if each not in Settings.SINGULAR.values()]
    schema["allOf"] = [{"oneOf": [{"required": [one]}, {"required": [many]}]} for one, many in Settings.SINGULAR.items()]
    return {**schema, "title": "watchtower.yaml"}


def rules() -> dict[str, Any]:
    """Of the files in `rules/`."""
    return json_schema(RuleFile)


def message() -> dict[str, Any]:
    """Of one message of watchtower_json: a prediction, a label, or, where it has `rows`, many."""
    (single, many), components = msgspec.json.schema_components([Single[Anything], Many[Anything]], schema_hook=_open, ref_template="#/$defs/{name}")
    names = {single["$ref"]: "Prediction", many["$ref"]: "Batch"}
    definitions = {names.get(f"#/$defs/{name}", name): {**each, "title": names.get(f"#/$defs/{name}", name)} for name, each in components.items()}
    for name in names.values():
        definitions[name]["anyOf"] = [{"required": [key]} for key in ("features", "prediction", "label")]
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A message of watchtower_json"}
    return {**title, "if": {"required": ["rows"]}, "then": {"$ref": "#/$defs/Batch"}, "else": {"$ref": "#/$defs/Prediction"}, "$defs": definitions}


def _open(annotation: type) -> dict[str, Any]:
    """Anything goes where the struct says object; what must be left out has no value."""
    return {"not": {}} if annotation is UnsetType else {"description": "any JSON value"}


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType({"settings": settings, "rules": rules, "message": message})
