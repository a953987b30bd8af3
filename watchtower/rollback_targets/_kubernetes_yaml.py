"""One value of a YAML text, found and replaced in place: comments, order and spelling of all the rest stay."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

_PLAIN = re.compile(r"[A-Za-z][\w./:@-]*[\w]|[A-Za-z]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A scalar: its *value*, and where it stands in the text. *style*: how it is quoted, None for plain."""

    value: str
    start: int
    end: int
    style: str | None


def find(content: str, at: Sequence[str | int | Mapping[str, str]], document: Mapping[str, str]) -> Place:
    """The scalar at *at* in the document that *document* describes, or in the only one that has it; ValueError where that is not exactly one."""
    try:
        nodes = list(yaml.compose_all(content, Loader=yaml.SafeLoader))
    except yaml.YAMLError as bad:
        msg = f"it is no YAML: {str(bad).splitlines()[0]}"
        raise ValueError(msg) from None
    meant = [node for node in nodes if all(_scalar(_walk(node, key.split("."))) == value for key, value in document.items())]
    found = [place for node in meant if isinstance(place := _walk(node, at), yaml.ScalarNode)]
    path = ", ".join(str(step) for step in at)
    if len(found) != 1:
        msg = f"{len(found) or 'no'} documents have a value at [{path}]"
        raise ValueError(msg)
    node = found[0]
    if node.style in {"|", ">"}:
        msg = f"the value at [{path}] is a block of text"
        raise ValueError(msg)
    return Place(str(node.value), node.start_mark.index, node.end_mark.index, node.style)


def written(content: str, place: Place, value: str) -> str:
    """*content* with *value* at *place*, quoted as it was; a plain one is quoted where it would be read as a number or a date."""
    if place.style == "'":
        spelled = "'" + value.replace("'", "''") + "'"
    elif place.style == '"' or not _PLAIN.fullmatch(value) or yaml.safe_load(value) != value:
        spelled = json.dumps(value, ensure_ascii=False)
    else:
        spelled = value
    return content[: place.start] + spelled + content[place.end :]


def _walk(node: yaml.Node | None, at: Sequence[str | int | Mapping[str, str]]) -> yaml.Node | None:
    for step in at:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            node = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step] if step < len(node.value) else None
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, Mapping):
            node = next((each for each in node.value if all(_scalar(_walk(each, [key])) == value for key, value in step.items())), None)
        else:
            return None
    return node


def _scalar(node: yaml.Node | None) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
