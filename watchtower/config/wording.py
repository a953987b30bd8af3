"""What pydantic says of a document, as problems with places. Generic by type: a new setting adds no line here."""

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from watchtower.config.document import Document, Loc
from watchtower.kinds import Kind
from watchtower.nouns.errors import Problem

_SCALARS = {"int": "a number", "float": "a number", "bool": "true or false", "str": "text", "NoneType": "nothing", "dict": "a mapping", "list": "a list"}


def problems(error: ValidationError, document: Document, model: type[BaseModel], base: Loc = ()) -> list[Problem]:
    """Every problem of *error*, which came from validating what *document* holds at *base* as *model*. The branches of one union are one problem."""
    found: dict[tuple[Loc, str], list[tuple[str, str]]] = {}
    listed = [(document.known((*base, *each["loc"], *_tag(each))), each) for each in error.errors(include_url=False)]
    for loc, each in listed:
        if each["type"] == "too_short" and any(other != loc and other[: len(loc)] == loc for other, _ in listed):
            continue
        lone = str(each["loc"][-1]) if each["type"] in ("missing", "extra_forbidden") else ""
        found.setdefault((loc, lone), []).append(_said(each, loc, _Asked(document, model, base)))
    return [_problem(document, loc, lone, said) for (loc, lone), said in found.items()]


def nearest(word: str, known: Iterable[str], noun: str) -> str:
    """The advice for an unknown *word*: the nearest of the *known* ones, else all of them."""
    words = sorted(known)
    near = get_close_matches(word, words, 1)
    return f"did you mean {near[0]!r}?" if near else f"known {noun}: {', '.join(words) or 'none'}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What *document* holds at *base* was read as *model*."""

    document: Document
    model: type[BaseModel]
    base: Loc

    def keys(self, loc: Loc) -> list[str]:
        """The keys that the mapping at *loc* may have."""
        return [key for found in _models(self.model, self.document.at(self.base), loc[len(self.base) :]) for key in _keys(found)]


def _problem(document: Document, loc: Loc, lone: str, said: list[tuple[str, str]]) -> Problem:
    """*lone* is the key that is unknown (then *loc* ends with it) or missing."""
    place = document.key_place(loc) if lone and loc and loc[-1] == lone else document.place(loc)
    name = f"{loc[-1]}: " if loc and isinstance(loc[-1], str) and not lone and not said[0][0].startswith("unknown") else ""
    whats = list(dict.fromkeys(what for what, _ in said))
    return Problem(place, name + ", or ".join(whats), next((advice for _, advice in said if advice), ""))


def _said(each: Mapping[str, Any], loc: Loc, asked: _Asked) -> tuple[str, str]:
    """What is wrong and what to do, of one of pydantic's errors about the value at *loc*."""
    context, value, last = each.get("ctx", {}), asked.document.at(loc), str(each["loc"][-1]) if each["loc"] else ""
    said: tuple[str, str]
    match each["type"]:
        case "extra_forbidden":
            said = f"unknown key {last!r}", nearest(last, asked.keys(loc[:-1]), "keys")
        case "missing":
            said = f"{last!r} is missing", ""
        case "literal_error" | "enum":
            said = f"expected {context['expected']}", _near(value, context["expected"])
        case "union_tag_invalid":
            said = f"unknown kind {context['tag']!r}", "known kinds: " + context["expected_tags"].replace("'", "")
        case "union_tag_not_found":
            said = f"{context['discriminator']} is missing", ""
        case "string_type" if isinstance(value, int | float):
            said = f"expected text, not {'true or false' if isinstance(value, bool) else 'a number'}", "put it in quotes"
        case "model_type" | "dict_type" | "model_attributes_type":
            said = f"expected a mapping, not {_SCALARS.get(type(value).__name__, 'this')}", ""
        case "tuple_type" | "list_type":
            said = f"expected a list, not {_SCALARS.get(type(value).__name__, 'this')}", "write [one, two]"
        case _:
            said = _plain(str(each["msg"]))
    return said


def _tag(each: Mapping[str, Any]) -> Loc:
    """The key that says which branch of a union is meant, where that is what is wrong."""
    return (each["ctx"]["discriminator"].strip("'"),) if each["type"] == "union_tag_invalid" else ()


def _plain(message: str) -> tuple[str, str]:
    """A message of pydantic or of a validator of ours, in our words; what stands behind its semicolon is advice."""
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    for theirs, ours in (("Input should be", "expected"), ("String should", "the text should"), ("Tuple should", "the list should")):
        text = text.replace(theirs, ours)
    what, _, advice = text.partition("; ")
    return what, advice


def _near(value: object, expected: str) -> str:
    near = get_close_matches(str(value), expected.replace(" or ", ", ").replace("'", "").split(", "), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _keys(model: type[BaseModel]) -> list[str]:
    named = [field.alias or name for name, field in model.model_fields.items()]
    return [*named, *(["kind"] if issubclass(model, Kind) else [])]


def _models(annotation: Any, value: Any, path: Loc) -> Iterator[type[BaseModel]]:
    """The models that may stand at *path* below *annotation*, which reads *value*."""
    for option in _options(annotation):
        origin, inside = get_origin(option), get_args(option)
        model = _member(option, value) if isinstance(option, type) and issubclass(option, BaseModel) else None
        if model is not None and not path:
            yield model
        elif model is not None and path[0] in model.model_fields:
            yield from _models(model.model_fields[str(path[0])].annotation, value[path[0]], path[1:])
        elif path and inside and isinstance(origin, type) and issubclass(origin, Mapping | tuple | list):
            yield from _models(inside[1 if issubclass(origin, Mapping) else 0], value[path[0]], path[1:])


def _member(model: type[BaseModel], value: Any) -> type[BaseModel] | None:
    """*model*, or its member that *value* names; None where *value* is of another kind."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if issubclass(model, Kind) and model.is_family():
        return model.member(kind) if kind in model.kinds() else None
    field = model.model_fields.get("kind")
    fixed: Any = field.annotation if field else None
    return None if get_origin(fixed) is Literal and kind not in get_args(fixed) else model


def _options(annotation: Any) -> Iterator[Any]:
    """*annotation* without its metadata, a union as its branches."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _options(each)
    else:
        yield annotation
