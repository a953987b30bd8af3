"""What routes of their own modules share with the application: who may come in, and where slow questions are asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Done = TypeVar("Done")
MOST_BYTES = 100_000
"""A larger body is refused where a small one is expected."""


class OffLoop(Protocol):
    """Runs in a thread what takes a while."""

    def __call__(self, ask: Callable[[], Done]) -> Awaitable[Done]:
        """What *ask* returns."""
        ...


@dataclass(frozen=True, slots=True)
class Doors:
    """*guard* refuses who may not look, *guard_change* who may not change anything, *knows* says whether a token is known.

    *off_loop* is for what waits for the store; *aside*, one at a time, for what waits for somebody else: it holds up neither answers nor the end.
    """

    guard: Callable[[Request], None]
    guard_change: Callable[[Request], None]
    knows: Callable[[str], bool]
    off_loop: OffLoop
    aside: OffLoop


async def body_of(request: Request) -> dict[str, object]:
    """The JSON object that was posted; 400 where it is none, 413 where it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body is over {MOST_BYTES:,} bytes")
    try:
        found = msgspec.json.decode(bytes(body))
    except ValueError as wrong:
        raise HTTPException(400, f"the body is no JSON: {wrong}") from wrong
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is no JSON object")
    return found


def answer(found: object, status: int = 200) -> Response:
    """*found* as JSON."""
    return Response(msgspec.json.encode(found), status, {"Cache-Control": "no-store"}, "application/json")
