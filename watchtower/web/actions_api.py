"""`POST /api/v1/incidents/{id}/approve`, `reject`, `freeze` and `thaw`: what people decide, over HTTP, with a token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchtower.core.guards import Freeze
from watchtower.nouns.errors import Unavailable
from watchtower.nouns.written import span_of
from watchtower.store.freezes import FreezeRows, freeze_json
from watchtower.web.labels_api import OffLoop
from watchtower.workers.approvals import ApprovalDesk, Person, Said

MOST_BYTES = 10_000
_LONGEST = 500
_STATUS = {"done": 200, "held": 409, "nothing": 409}
Body = TypeVar("Body")


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The body of approve and reject."""

    candidate: str | None = None
    reason: str = ""
    by: str = ""
    revision: int | None = None


class _Freeze(msgspec.Struct, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """The body of freeze and thaw."""

    model: str = ""
    reason: str = ""
    by: str = ""
    lasting: str | None = None


_ANSWERS = msgspec.json.Decoder(_Answer)
_FREEZES = msgspec.json.Decoder(_Freeze)


class Known(Protocol):
    """Which models there are."""

    def __call__(self, model: str) -> bool:
        """Whether *model* is configured or was ever read."""
        ...


@dataclass(frozen=True, slots=True)
class ActionsDesk:
    """Who answers: approvals, the kill switch, which models there are, the clock, and the names of tokens."""

    approvals: ApprovalDesk
    freezes: FreezeRows
    known: Known
    now: Callable[[], datetime]
    token: Callable[[str | None], str]
    """What the audit calls the token that an Authorization header carries."""


def actions_routes(desk: ActionsDesk, guard: Callable[[Request], None], off_loop: OffLoop, aside: OffLoop) -> list[Route]:
    """The routes; *guard* refuses who may not change anything, *off_loop* runs in a thread what waits for the store, *aside* what waits for a target."""

    async def said(request: Request, word: str) -> Response:
        guard(request)
        body = _decoded(_ANSWERS, await _read(request))
        ask = partial(_say, desk, word, request.path_params["id"], body, _person(desk, request, body.by, body.reason))
        answer = await (aside if word == "approve" else off_loop)(partial(_kept, ask))
        plan = answer.plan
        told = None if plan is None else {"id": plan.id, "step": str(plan.step), "live": plan.live, "candidate": plan.candidate}
        return _json({"result": answer.what, "text": answer.text, "plan": told}, 404 if plan is None else _STATUS[answer.what])

    async def freeze(request: Request) -> Response:
        guard(request)
        body = _decoded(_FREEZES, await _read(request))
        lasting, person = _lasting(body.lasting), _person(desk, request, body.by, body.reason)
        return await off_loop(partial(_kept, partial(_freeze, desk, body, lasting, person)))

    async def thaw(request: Request) -> Response:
        guard(request)
        body = _decoded(_FREEZES, await _read(request))
        return await off_loop(partial(_kept, partial(_thaw, desk, body, _person(desk, request, body.by, body.reason))))

    async def approve(request: Request) -> Response:
        return await said(request, "approve")

    async def reject(request: Request) -> Response:
        return await said(request, "reject")

    return [
        Route("/api/v1/incidents/{id}/approve", approve, methods=["POST"]),
        Route("/api/v1/incidents/{id}/reject", reject, methods=["POST"]),
        Route("/api/v1/freeze", freeze, methods=["POST"]),
        Route("/api/v1/thaw", thaw, methods=["POST"]),
    ]


def _say(desk: ActionsDesk, word: str, name: str, body: _Answer, person: Person) -> Said:
    named = name if body.revision is None else f"{name.partition('@')[0]}@{body.revision}"
    answer = desk.approvals.approve if word == "approve" else desk.approvals.reject
    return answer(named, person, desk.now(), candidate=body.candidate)


def _freeze(desk: ActionsDesk, body: _Freeze, lasting: timedelta | None, person: Person) -> Response:
    if body.model and not desk.known(body.model):
        raise HTTPException(404, f"there is no model {body.model!r}")
    now = desk.now()
    it = Freeze(body.model, person.by, now, person.origin, person.reason, None if lasting is None else now + lasting)
    desk.freezes.freeze(it)
    return _json({"frozen": freeze_json(it)}, 200)


def _thaw(desk: ActionsDesk, body: _Freeze, person: Person) -> Response:
    now = desk.now()
    thawed = desk.freezes.thaw(body.model, by=person.by, origin=person.origin, now=now)
    left = [each.model or None for each in desk.freezes.all(now)]
    return _json({"thawed": thawed, "model": body.model or None, "frozen": left}, 200 if thawed else 409)


def _lasting(text: str | None) -> timedelta | None:
    try:
        return None if text is None else span_of(text)
    except ValueError as wrong:
        raise HTTPException(400, f"for: {wrong}") from wrong


def _person(desk: ActionsDesk, request: Request, by: str, reason: str) -> Person:
    """Who asks: *by* as the body says, with which token, and from which address."""
    if len(by) > _LONGEST or len(reason) > _LONGEST:
        raise HTTPException(400, f"by and reason have at most {_LONGEST} characters")
    by, reason = _line(by), _line(reason)
    used = desk.token(request.headers.get("authorization")) or "token"
    address = request.client.host if request.client is not None else "unknown"
    return Person(f"{by} ({used})" if by else used, f"api {address}", reason)


def _line(text: str) -> str:
    """*text* on one line, as the log and the audit list it."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _kept(ask: Callable[[], Body]) -> Body:
    try:
        return ask()
    except Unavailable as away:
        raise HTTPException(503, f"nothing was changed: {away}", headers={"Retry-After": "5"}) from away


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body is over {MOST_BYTES:,} bytes")
    return bytes(body)


def _decoded(decoder: "msgspec.json.Decoder[Body]", body: bytes) -> Body:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.MsgspecError as wrong:
        raise HTTPException(400, f"the body is not what is asked for: {wrong}") from wrong


def _json(answer: Mapping[str, object], status: int) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")
