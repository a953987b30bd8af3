"""Payloads -> messages: all at full speed, and those that this refuses one by one."""

from collections.abc import Sequence

import numpy as np

from watchtower.formats._careful import DEEPEST, depth, read
from watchtower.formats._message import Decoders, Message
from watchtower.nouns.batch import Reason

_CHUNK = 512


def parsed(values: Sequence[bytes | None], reader: Decoders, max_bytes: int) -> list[Message | Reason]:
    """What each payload says, or why it says nothing; one bad payload never takes its neighbours along."""
    refused = _refused(values, max_bytes)
    usable = [None if place in refused else value for place, value in enumerate(values)] if refused else values
    found: list[Message | Reason] = []
    rest = iter(usable)
    while len(found) < len(values):
        try:
            found.extend(map(reader.single.decode, rest))  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001  whatever a payload does wrong, the careful reader names it
            place = len(found)
            found.append(refused.get(place) or _one(values[place], reader, max_bytes))
    return found


def _one(value: bytes | None, reader: Decoders, max_bytes: int) -> Message | Reason:
    """What one payload says: tried as a message with rows if it seems to have some, then read carefully."""
    if value is not None and b'"rows"' in value:
        for decoder in (reader.many, reader.open_many):
            try:
                return decoder.decode(value)
            except Exception:  # noqa: BLE001, S112  the next one may be wider
                continue
    return read(value, max_bytes)


def _refused(values: Sequence[bytes | None], max_bytes: int) -> dict[int, Reason]:
    """Payloads that are not worth decoding: null, too large, too deep. Brackets are counted in cache-sized pieces."""
    refused: dict[int, Reason] = {}
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        payloads = [each or b"" for each in chunk] if None in chunk else chunk
        lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))  # type: ignore[arg-type]
        signs = np.frombuffer(b"".join(payloads), dtype=np.uint8)  # type: ignore[arg-type]
        opening = np.flatnonzero((signs | 32) == ord("{"))
        counts = np.diff(np.searchsorted(opening, np.cumsum(lengths)), prepend=0)
        suspects = np.flatnonzero((counts > DEEPEST) | (lengths > max_bytes)).tolist()
        for i in suspects:
            if lengths[i] > max_bytes:
                refused[start + i] = Reason.TOO_LARGE
            elif depth(payloads[i] or b"") > DEEPEST:
                refused[start + i] = Reason.TOO_DEEP
        if payloads is not chunk:
            refused |= {start + i: Reason.EMPTY for i, each in enumerate(chunk) if each is None}
    return refused
