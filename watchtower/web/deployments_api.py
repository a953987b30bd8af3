"""`POST /api/v1/deployments`: a change that is coming, so that nobody is told of it as a surprise; and which version served when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchtower.nouns.errors import Unavailable
from watchtower.store import Store
from watchtower.store.codec import stamp
from watchtower.store.servings import Announced
from watchtower.web.doors import Doors, answer, body_of

PATH = "/api/v1/deployments"
_KEYS = ("model", "version", "by", "time", "note")
_LONGEST, _LONGEST_NOTE = 200, 2_000
AHEAD = timedelta(days=7)
"""How far ahead a change may be announced."""


def deployment_routes(store: Store, now: Callable[[], datetime], doors: Doors) -> list[Route]:
    """POST announces, `GET /api/v1/versions` (of `?model=`, or of all) says which version served when."""

    async def announced(request: Request) -> Response:
        doors.guard_change(request)
        body = await body_of(request)
        origin = f"api {request.client.host}" if request.client is not None else "api"
        change = read(body, now(), origin)
        try:
            await doors.off_loop(lambda: store.servings.announce(change, now()))
        except Unavailable as away:
            raise HTTPException(503, f"nothing was kept: {away}", headers={"Retry-After": "5"}) from away
        told = {"model": change.model, "version": change.version, "by": change.by, "time": stamp(change.at), "note": change.note}
        return answer({"accepted": True, **told}, 202)

    async def versions(request: Request) -> Response:
        doors.guard(request)
        return answer({"versions": await doors.off_loop(lambda: store.servings.listed(request.query_params.get("model")))})

    return [Route(PATH, announced, methods=["POST"]), Route("/api/v1/versions", versions)]


def read(body: dict[str, object], now: datetime, origin: str) -> Announced:
    """The change that a body announces; HTTPException 400 where it names none."""
    unknown = sorted(set(body) - set(_KEYS))
    if unknown:
        raise HTTPException(400, f"unknown key {unknown[0][:40]!r}: known are {', '.join(_KEYS)}")
    model, version = _text(body, "model", required=True), _text(body, "version", required=True)
    at = _time(body.get("time"), now)
    if at > now + AHEAD:
        raise HTTPException(400, f"time is more than {AHEAD.days} days ahead")
    return Announced(model, version, _text(body, "by") or origin, at, _text(body, "note", longest=_LONGEST_NOTE), origin)


def _text(body: dict[str, object], key: str, *, required: bool = False, longest: int = _LONGEST) -> str:
    value = body.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool) and key == "version"
    text = str(value) if number else value if isinstance(value, str) else "" if value is None else None
    if text is None or (required and not text):
        raise HTTPException(400, f"{key} must be a text{'' if required else ', or left out'}")
    if len(text) > longest:
        raise HTTPException(400, f"{key} is longer than {longest} characters")
    return text


def _time(value: object, now: datetime) -> datetime:
    """ISO 8601 (UTC where it names no zone) or seconds since 1970; left out: now."""
    if value is None:
        return now
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as wrong:
        raise HTTPException(400, f"time cannot be read: {str(value)[:40]!r}; write 2026-11-20T10:00:00Z") from wrong
