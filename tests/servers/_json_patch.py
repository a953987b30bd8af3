"""JSON Patch (RFC 6902), as strict as Kubernetes' API server applies it; only what tests need."""

import copy
from typing import Any

Json = Any


class PatchError(ValueError):
    """An operation that cannot be applied, or a `test` that fails."""


def apply(document: Json, operations: list[dict[str, Json]]) -> Json:
    """A new document; PatchError where any operation fails: all or nothing."""
    result = copy.deepcopy(document)
    for operation in operations:
        result = _one(result, operation)
    return result


def _one(document: Json, operation: dict[str, Json]) -> Json:
    kind, path = operation.get("op"), operation.get("path")
    if kind not in {"add", "remove", "replace", "test"} or not isinstance(path, str) or (kind != "remove" and "value" not in operation):
        msg = f"no operation: {operation}"
        raise PatchError(msg)
    steps = _steps(path)
    if not steps:
        return _root(document, kind, operation)
    holder = document
    for step in steps[:-1]:
        holder = _into(holder, step)
    _apply(holder, steps[-1], kind, operation)
    return document


def _root(document: Json, kind: str, operation: dict[str, Json]) -> Json:
    if kind == "test" and document != operation["value"]:
        msg = "test of the whole failed"
        raise PatchError(msg)
    return document if kind == "test" else copy.deepcopy(operation["value"])


def _apply(holder: Json, last: str, kind: str, operation: dict[str, Json]) -> None:
    value = copy.deepcopy(operation.get("value"))
    if kind == "add":
        _add(holder, last, value)
        return
    found = _into(holder, last)
    key = int(last) if isinstance(holder, list) else last
    if kind == "test":
        if found != value:
            msg = f"test failed: {operation['path']} is {found!r}"
            raise PatchError(msg)
    elif kind == "replace":
        holder[key] = value
    else:
        del holder[key]


def _add(holder: Json, last: str, value: Json) -> None:
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list):
        at = len(holder) if last == "-" else int(last)
        if not 0 <= at <= len(holder):
            msg = f"no index {last}"
            raise PatchError(msg)
        holder.insert(at, value)
    else:
        msg = f"nothing can be added to {holder!r}"
        raise PatchError(msg)


def _into(holder: Json, step: str) -> Json:
    try:
        return holder[int(step)] if isinstance(holder, list) else holder[step]
    except (KeyError, IndexError, ValueError, TypeError):
        msg = f"nothing at {step}"
        raise PatchError(msg) from None


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        msg = f"no pointer: {path}"
        raise PatchError(msg)
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
