"""`POST /api/v1/labels`: labels by hand or by a service; safe in the store before they are accepted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Messages, PredictionKind, Reason, Schema
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.window import Partition, micros

PATH = "/api/v1/labels"
MOST_BYTES = 10_000_000
"""A larger body is refused: post it in pieces."""
MOST_ITEMS = 100_000
"""A body of more is refused as well: it would take long to read, and its errors more room than it."""
MOST_ERRORS = 1_000
"""So many errors are told one by one."""
_AHEAD = 300_000_000
"""Microseconds that a label's time may lie ahead of the clock."""
Done = TypeVar("Done")
Item = TypeVar("Item")
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class OffLoop(Protocol):
    """Runs in a thread what takes a while."""

    def __call__(self, ask: Callable[[], Done]) -> Awaitable[Done]:
        """What *ask* returns."""
        ...


_POSTED = Partition("posted")
_WHY = {
    Reason.NOT_JSON: "is no JSON object",
    Reason.EMPTY: "is empty",
    Reason.MISSING_FIELD: "needs model, id and label",
    Reason.BAD_TYPE: "has a value of a wrong type",
    Reason.BAD_TIME: "has a time that cannot be read",
    Reason.TIME_IN_FUTURE: "has a time that is more than 5 minutes ahead",
}


class LabelDesk(Protocol):
    """Who keeps what was posted."""

    def spool(self, messages: Sequence[bytes], now: datetime) -> None:
        """Keeps *messages*; they are safe once this returns. Unavailable where the store is."""
        ...


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a body held: messages that are labels, and (item, reason) of those that are none."""

    good: tuple[bytes, ...]
    errors: tuple[tuple[int, str], ...]


def items_of(body: bytes) -> list[bytes]:
    """One message an item: a JSON object, an array of them, or one a line; ValueError where it is none of that, OverflowError where there are too many."""
    text = body.strip()
    if text[:1] == b"[":
        try:
            found: list[msgspec.Raw] = _ARRAY.decode(text)
        except msgspec.DecodeError as wrong:
            msg = f"the body is no JSON array: {wrong}"
            raise ValueError(msg) from wrong
        return [bytes(each) for each in _at_most(found)]
    if _is_one(text):
        return [text]
    return [line for line in (each.strip() for each in _at_most(text.split(b"\n", MOST_ITEMS))) if line]


def _at_most(found: list[Item]) -> list[Item]:
    if len(found) > MOST_ITEMS:
        msg = f"the body holds over {MOST_ITEMS:,} labels: post it in pieces"
        raise OverflowError(msg)
    return found


def _is_one(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def sort(items: Sequence[bytes], now: datetime) -> Sorted:
    """Which *items* are labels, by the same reading as in a topic; one without a time arrived at *now*."""
    n, at = len(items), micros(now)
    messages = Messages(_POSTED, list(items), np.arange(n, dtype=np.int64), n, np.full(n, at, dtype=np.int64), at)
    widest = Schema(prediction=PredictionKind.RANKING)  # every label of another kind is one of a ranking too; intake knows the model's
    found = WatchtowerJson().decode([messages], Catalog(other=widest, max_ahead=_AHEAD))
    why = {each.position: _WHY.get(each.reason, str(each.reason)) for each in found.rejected}
    predictions = {position for batch in found.predictions for position in batch.positions.tolist()}
    why |= dict.fromkeys(predictions, "is a prediction, not a label")
    return Sorted(tuple(item for i, item in enumerate(items) if i not in why), tuple(sorted(why.items())))


def labels_route(desk: LabelDesk, now: Callable[[], datetime], guard: Callable[[Request], None], off_loop: OffLoop) -> Route:
    """The route; *guard* refuses who may not change anything, *off_loop* runs in a thread what may wait for the store."""

    async def take(request: Request) -> Response:
        guard(request)
        body = await _read(request)
        moment = now()
        try:
            found = await off_loop(lambda: sort(items_of(body), moment))
        except ValueError as wrong:
            raise HTTPException(400, str(wrong)) from wrong
        except OverflowError as wrong:
            raise HTTPException(413, str(wrong)) from wrong
        if not found.good and not found.errors:
            raise HTTPException(400, "the body holds no label: post a JSON object, an array of them, or one a line")
        if found.good:
            await _kept(off_loop, desk, found.good, moment)
        return _json({"accepted": len(found.good), "errors": _told(found.errors)}, 202 if found.good else 400)

    return Route(PATH, take, methods=["POST"])


def _told(errors: Sequence[tuple[int, str]]) -> list[dict[str, object]]:
    """The first errors, and one that counts the others."""
    told: list[dict[str, object]] = [{"item": item, "error": f"item {item} {why}"} for item, why in errors[:MOST_ERRORS]]
    if len(errors) > MOST_ERRORS:
        told.append({"item": None, "error": f"{len(errors) - MOST_ERRORS:,} further items are no labels"})
    return told


async def _kept(off_loop: OffLoop, desk: LabelDesk, messages: Sequence[bytes], moment: datetime) -> None:
    try:
        await off_loop(lambda: desk.spool(messages, moment))
    except Unavailable as away:
        raise HTTPException(503, f"nothing was accepted: {away}", headers={"Retry-After": "5"}) from away


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body is over {MOST_BYTES:,} bytes: post it in pieces")
    return bytes(body)


def _json(answer: object, status: int) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")
