"""`/api/v1/judgements/{model}`: the judgement for delivery controllers, Argo Rollouts (a web metric) and Flagger (a webhook)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from watchtower.core.delivering import ENOUGH, Answer, Asked, Course, canary_of, judged
from watchtower.core.rules import RuleBook
from watchtower.nouns.errors import Unavailable
from watchtower.store import Store
from watchtower.store.codec import Json, stamp
from watchtower.store.history import Stretch
from watchtower.web.doors import Doors, answer, body_of

PATH = "/api/v1/judgements/{model:path}"
ADVANCE, ROLLBACK = "advance", "rollback"
"""Flagger's gates: `confirm-traffic-increase` and `confirm-promotion` ask whether to go on, `rollback` asks whether to go back."""
_NO = 409
"""Flagger takes anything beyond 202 as no, tells the text of the answer, and its client repeats 429 and 5xx."""
_INSTANT = timedelta(microseconds=1)
_MOST_ROWS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class JudgementDesk:
    """Answers from the store; *book* are the present rules, *max_age* says how old a model's last window may be."""

    store: Store
    book: Callable[[], RuleBook]
    now: Callable[[], datetime]
    max_age: Callable[[str], timedelta]

    def judge(self, model: str, version: str | None, enough: int) -> Json:
        """What to do with *version* (None: the canary, else the live one); what cannot be known holds."""
        now = self.now()
        try:
            asked = self._asked(model, version, enough, now)
            found = Answer(Course.HOLD, f"nothing was read of {model} yet") if asked is None else judged(asked)
            of, live = (version, None) if asked is None else (asked.version, asked.memory.served.live)
        except Unavailable as away:
            of, live, found = version, None, Answer(Course.HOLD, f"the store cannot be read: {away}")
        told = {"judgement": str(found.course), "value": found.course.value_of, "reason": found.reason, "evidence": dict(found.evidence)}
        return {"model": model, "version": of, "live": live, **told, "at": stamp(now)}

    def _asked(self, model: str, version: str | None, enough: int, now: datetime) -> Asked | None:
        memory = self.store.evaluations.memory(model)
        since = memory.evaluated_through
        stretch = None if since is None else Stretch(model, since - _INSTANT, since)
        board = None if stretch is None else next(iter(self.store.history.boards(stretch)), None)
        of = version or canary_of(memory, board)
        if of is None:
            return None
        asked = Asked(memory, board, self.book(), of, 0, now, enough, self.max_age(model))
        return replace(asked, rows=self.store.servings.predictions(model).get(of, 0))


def judgement_routes(desk: JudgementDesk, doors: Doors) -> list[Route]:
    """GET for whoever reads numbers, POST for Flagger, which can set no header."""

    async def told(request: Request) -> Response:
        doors.guard(request)
        model, version, enough = request.path_params["model"], request.query_params.get("version") or None, _rows(request.query_params.get("rows"))
        return answer(await doors.off_loop(lambda: desk.judge(model, version, enough)))

    async def gate(request: Request) -> Response:
        body = await body_of(request)
        more = body.get("metadata")
        metadata: Mapping[object, object] = more if isinstance(more, dict) else {}
        if not doors.knows(str(metadata.get("token") or "")):
            doors.guard(request)
        asked = str(metadata.get("gate") or ADVANCE)
        if asked not in {ADVANCE, ROLLBACK}:
            raise HTTPException(400, f"metadata.gate is {ADVANCE} or {ROLLBACK}, not {asked[:40]!r}")
        model, version, enough = request.path_params["model"], str(metadata.get("version") or "") or None, _rows(metadata.get("rows"))
        found = await doors.off_loop(lambda: desk.judge(model, version, enough))
        if asked == ROLLBACK and version is None and found["version"] == found["live"]:
            return PlainTextResponse("hold: no version beside the live one has traffic\n", _NO, {"Cache-Control": "no-store"})
        wanted = Course.ABORT if asked == ROLLBACK else Course.ADVANCE
        return PlainTextResponse(f"{found['judgement']}: {found['reason']}\n", 200 if found["judgement"] == wanted else _NO, {"Cache-Control": "no-store"})

    return [Route(PATH, told), Route(PATH, gate, methods=["POST"])]


def _rows(text: object) -> int:
    if text is None:
        return ENOUGH
    written = str(text)
    if not (written.isascii() and written.isdigit() and len(written) <= len(str(_MOST_ROWS)) and 1 <= int(written) <= _MOST_ROWS):
        raise HTTPException(400, f"rows must be a number from 1 on, not {written[:40]!r}")
    return int(written)
