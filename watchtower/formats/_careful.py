"""One message at a time, for those that the fast reader refuses: the same result, or the reason why there is none."""

import json
import re
from typing import cast

import msgspec
import numpy as np

from watchtower.formats._message import Anything, Many, Message, Single
from watchtower.nouns.batch import Reason

DEEPEST = 64
_QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OPENING, _CLOSING = ord("{"), ord("}")


def read(value: bytes | None, max_bytes: int) -> Message | Reason:
    """The message that *value* holds, with features of any type, or why it holds none. Never raises for content."""
    if value is None:
        return Reason.EMPTY
    if len(value) > max_bytes:
        return Reason.TOO_LARGE
    if depth(value) > DEEPEST:
        return Reason.TOO_DEEP
    found = _loaded(value)
    if not isinstance(found, dict):
        return Reason.NOT_JSON
    if found.get("model") is None:
        return Reason.MISSING_FIELD
    return _shaped(_as_written(found, value))


def depth(value: bytes) -> int:
    """How deeply brackets nest, without recursion; texts do not count. 0 where so few cannot be too deep."""
    if value.count(b"[") + value.count(b"{") <= DEEPEST:
        return 0
    signs = np.frombuffer(_QUOTED.sub(b"", value), dtype=np.uint8) | 32  # [ and { differ by this bit, so do ] and }
    steps = (signs == _OPENING).astype(np.int8) - (signs == _CLOSING).astype(np.int8)
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def _loaded(value: bytes) -> object:
    """What the JSON says, NaN and Infinity as numbers; None where it is no JSON."""
    try:
        found = json.loads(value.decode(), parse_int=_whole)
        if b"\\u" in value:
            json.dumps(found, ensure_ascii=False, default=str).encode()  # a lone surrogate is no text that can be kept
    except (ValueError, RecursionError):
        return None
    return cast("object", found)


def _whole(text: str) -> int | float:
    """An integer; beyond 300 digits a float, as it is for every reader of JSON with 64 bits."""
    return int(text) if len(text) < 300 else float(text)


def _as_written(found: dict[str, object], value: bytes) -> dict[str, object]:
    """The object with version and id as texts where they are numbers, digit by digit, and nothing that means nothing."""
    numbers = {name for name in ("version", "id") if _holds_float(found.get(name))}
    texts = json.loads(value, parse_float=str, parse_int=str) if numbers else {}
    return {name: texts[name] if name in numbers else each for name, each in found.items()}


def _holds_float(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, list) and any(isinstance(each, float) for each in value))


def _shaped(found: dict[str, object]) -> Message | Reason:
    shape = Many[Anything] if "rows" in found else Single[Anything]
    try:
        return cast("Message", msgspec.convert(found, type=shape))
    except (msgspec.ValidationError, RecursionError, OverflowError):
        return Reason.BAD_TIME if _bad_time(found) else Reason.BAD_TYPE


def _bad_time(found: dict[str, object]) -> bool:
    """Whether the time is of no type that a time has."""
    given = found.get("time")
    times = given if isinstance(given, list) and "rows" in found else [given]
    return any(each is not None and type(each) not in {str, int, float} for each in times)
