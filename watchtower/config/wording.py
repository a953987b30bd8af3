"""What pydantic says of a document, as problems with places. Generic by type: a new setting adds no line here."""

import types
from collections.abc import Iterator, Mapping
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
    for each in error.errors(include_url=False):
        loc = document.known((*base, *each["loc"]))
        lone = str(each["loc"][-1]) if each["type"] in ("missing", "extra_forbidden") else ""
        found.setdefault((loc, lone), []).append(_said(each, document.at(loc), loc, model, base, document))
    return [_problem(document, loc, lone, said) for (loc, lone), said in found.items()]


def nearest(word: str, known: Iterator[str] | list[str] | tuple[str, ...], noun: str) -> str:
    """The advice for an unknown *word*: the nearest of the *known* ones, else all of them."""
    words = sorted(known)
    near = get_close_matches(word, words, 1)
    return f"did you mean {near[0]!r}?" if near else f"known {noun}: {', '.join(words) or 'none'}"


def _problem(document: Document, loc: Loc, lone: str, said: list[tuple[str, str]]) -> Problem:
    unknown = bool(lone) and bool(loc) and loc[-1] == lone
    place = document.key_place(loc) if unknown else document.place(loc)
    whats, advices = zip(*dict.fromkeys(said), strict=True)
    return Problem(place, ", or ".join(dict.fromkeys(whats)), next((each for each in advices if each), ""))


def _said(each: Mapping[str, Any], value: object, loc: Loc, model: type[BaseModel], base: Loc, document: Document) -> tuple[str, str]:
    """What is wrong and what to do, of one of pydantic's errors about *value* at *loc*."""
    context = each.get("ctx", {})
    name = f"{loc[-1]}: " if loc and isinstance(loc[-1], str) else ""
    match each["type"]:
        case "extra_forbidden":
            known = [key for found in _models(model, document.at(base), loc[len(base) : -1]) for key in _keys(found)]
            return f"unknown key {each['loc'][-1]!r}", nearest(str(each["loc"][-1]), known, "keys")
        case "missing":
            return f"{each['loc'][-1]!r} is missing", ""
        case "literal_error" | "enum":
            return f"{name}expected {context['expected']}", _near(value, context["expected"])
        case "union_tag_invalid":
            return f"unknown {name}{context['tag']!r}", f"one of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{name}{context['discriminator']} is missing", ""
        case "string_type" if isinstance(value, int | float):
            return f"{name}expected text, not {'true or false' if isinstance(value, bool) else 'a number'}", "put it in quotes"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{name}expected a mapping, not {_SCALARS.get(type(value).__name__, 'this')}", ""
        case "tuple_type" | "list_type":
            return f"{name}expected a list, not {_SCALARS.get(type(value).__name__, 'this')}", "write [one, two]"
        case "kind_unknown" | "kind_missing":
            what, _, advice = str(each["msg"]).partition("; ")
            return what, advice
        case _:
            return _plain(str(each["msg"]), name), ""


def _plain(message: str, name: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "expected").replace("String should", "the text should").replace("Tuple should", "the list should")
    return f"{name}{text[:1].lower()}{text[1:]}" if text != message or text.startswith(("expected", "the ")) else f"{name}{text}"


def _near(value: object, expected: str) -> str:
    near = get_close_matches(str(value), expected.replace(" or ", ", ").replace("'", "").split(", "), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _keys(model: type[BaseModel]) -> list[str]:
    return [*model.model_fields, *(["kind"] if issubclass(model, Kind) else [])]


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
    fixed = model.model_fields["kind"].annotation if "kind" in model.model_fields else None
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
