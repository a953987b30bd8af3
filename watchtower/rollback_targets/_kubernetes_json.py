"""Objects of Kubernetes' API as plain JSON: looked into without believing any of it.

They stay plain: a client's classes drop the fields that they do not know, and a template that goes back to the server without them is another one.
"""

from collections.abc import Mapping
from typing import cast

Object = Mapping[str, object]
Step = str | int
Operation = dict[str, object]
"""One operation of a JSON Patch (RFC 6902)."""


def at(found: object, *path: Step) -> object:
    """What stands at *path* in *found*; None where nothing does."""
    for step in path:
        if isinstance(found, Mapping):
            found = cast("Object", found).get(str(step))
        elif isinstance(found, list) and isinstance(step, int) and 0 <= step < len(found):
            found = cast("list[object]", found)[step]
        else:
            return None
    return found


def mapping(found: object, *path: Step) -> Object:
    """The object at *path*; an empty one where there is none."""
    value = at(found, *path)
    return cast("Object", value) if isinstance(value, Mapping) else {}


def listed(found: object, *path: Step) -> list[Object]:
    """The objects of the list at *path*; empty where there is none."""
    value = at(found, *path)
    return [mapping(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def text(found: object, *path: Step) -> str:
    """The text at *path*, "" where there is none."""
    value = at(found, *path)
    return value if isinstance(value, str) else ""


def whole(found: object, *path: Step, default: int = 0) -> int:
    """The whole number at *path*."""
    value = at(found, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def pointer(*path: Step) -> str:
    """*path* as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def selecting(selector: Object) -> str:
    """A LabelSelector (`matchLabels`, `matchExpressions`) in the words of the query `labelSelector`."""
    parts = [f"{key}={value}" for key, value in mapping(selector, "matchLabels").items()]
    for each in listed(selector, "matchExpressions"):
        key, values = text(each, "key"), at(each, "values")
        among = ",".join(str(value) for value in cast("list[object]", values)) if isinstance(values, list) else ""
        parts.append({"In": f"{key} in ({among})", "NotIn": f"{key} notin ({among})", "Exists": key}.get(text(each, "operator"), f"!{key}"))
    return ",".join(parts)
