"""The pages and the API: read only but for what is posted."""

from asyncio import AbstractEventLoop, CancelledError, Future, Lock, get_running_loop
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from watchtower.edges.clock import Clock
from watchtower.edges.metrics import OPENMETRICS, TEXT
from watchtower.store.codec import Json
from watchtower.web.doors import Doors
from watchtower.web.labels_api import LabelDesk, labels_route
from watchtower.web.pages import Pages
from watchtower.web.tokens import Tokens
from watchtower.web.view import StatusView

_THREADS = 4
_MOST_WINDOWS = 500
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ASK = {"WWW-Authenticate": 'Basic realm="watchtower: any name, a token as the password", charset="UTF-8"'}
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Rooms:
    """What the routes share. *threads* read the store."""

    view: StatusView
    pages: Pages
    tokens: Tokens | None
    metrics_public: bool
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "web-store"))
    turn: Lock = field(default_factory=Lock)
    waiting: Lock = field(default_factory=Lock)

    async def off_loop(self, ask: Callable[[], Answer]) -> Answer:
        """Asks in a thread, so that a slow store does not hold the other answers."""
        return await get_running_loop().run_in_executor(self.threads, ask)

    async def apart(self, ask: Callable[[], Answer]) -> Answer:
        """Asks in a thread of its own that ends with the process, one at a time: what takes minutes holds up neither the other answers nor the end."""
        return await self._alone(ask, self.turn)

    async def aside(self, ask: Callable[[], Answer]) -> Answer:
        """As :meth:`apart`, beside it: what asks a target, which may hang until its time is over."""
        return await self._alone(ask, self.waiting)

    @staticmethod
    async def _alone(ask: Callable[[], Answer], turn: Lock) -> Answer:
        try:
            async with turn:
                loop = get_running_loop()
                answer: Future[Answer] = loop.create_future()
                Thread(target=_answer, args=(ask, loop, answer), name="web-apart", daemon=True).start()
                return await answer
        except CancelledError:
            raise HTTPException(503, "the daemon is ending; ask the next one") from None

    def guard(self, request: Request, *, public: bool = False) -> None:
        """401 where a token is needed and not given."""
        if self.tokens is None or (public and self.metrics_public) or self.tokens.allow(request.headers.get("authorization")):
            return
        raise HTTPException(401, "a token is needed: Authorization: Bearer TOKEN, one of server.tokens_file", headers=_ASK)

    def doors(self) -> Doors:
        """The same for routes of other modules."""
        return Doors(self.guard, self.guard_change, lambda token: self.tokens is not None and self.tokens.allow(f"Bearer {token}"), self.off_loop, self.aside)

    def guard_change(self, request: Request) -> None:
        """403 where nobody may change anything, or another site's page asks; 401 where a token is needed and not given."""
        if self.tokens is None:
            raise HTTPException(403, "nothing can be posted without tokens: write some into a file and set server.tokens_file")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} or _elsewhere(request):
            raise HTTPException(403, "a page of another site asks")
        self.guard(request)


def _elsewhere(request: Request) -> bool:
    """Whether a browser that does not say `Sec-Fetch-Site` names another origin: it would send a remembered password along."""
    origin = request.headers.get("origin")
    return origin is not None and "sec-fetch-site" not in request.headers and urlsplit(origin).netloc != request.headers.get("host", "")


def _answer(ask: Callable[[], Answer], loop: AbstractEventLoop, answer: "Future[Answer]") -> None:
    def tell(found: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if answer.done() else found())

    try:
        given = ask()
    except Exception as problem:  # noqa: BLE001  the route's to tell
        failed = problem
        tell(lambda: answer.set_exception(failed))
    else:
        tell(lambda: answer.set_result(given))


Further = Callable[[Doors], list[Route]]
"""Routes of a module of their own."""


def create_app(
    view: StatusView, *, tokens: Tokens | None = None, metrics_public: bool = True, labels: LabelDesk | None = None, further: Sequence[Further] = ()
) -> Starlette:
    """The application over *view*; with *tokens* all but the public routes need one. *labels* keeps posted ones; *further* routes are asked first."""
    rooms = _Rooms(view, Pages(), tokens, metrics_public)
    here = Path(__file__).parent
    routes = [
        Route("/metrics", partial(_metrics, rooms)),
        Route("/healthz", partial(_healthz, rooms)),
        Route("/readyz", partial(_readyz, rooms)),
        *(route for each in further for route in each(rooms.doors())),
        *_api(rooms),
        *([labels_route(labels, Clock().now, rooms.guard_change, rooms.off_loop)] if labels is not None else []),
        *_pages(rooms),
        Mount("/static", StaticFiles(directory=here / "static")),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


# ---------------------------------------------------------------------------------------------------- for machines


async def _metrics(rooms: _Rooms, request: Request) -> Response:
    rooms.guard(request, public=True)
    openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
    text = await rooms.off_loop(partial(rooms.view.metrics_text, openmetrics=openmetrics))
    return Response(text, headers={"Content-Type": OPENMETRICS if openmetrics else TEXT})


async def _healthz(rooms: _Rooms, request: Request) -> Response:
    rooms.guard(request, public=True)
    return PlainTextResponse("ok\n")


async def _readyz(rooms: _Rooms, request: Request) -> Response:
    rooms.guard(request, public=True)
    missing = await rooms.off_loop(rooms.view.ready)
    return _json({"ready": not missing, "not_ready": dict(missing)}, 503 if missing else 200)


def _api(rooms: _Rooms) -> list[Route]:
    """`/api/v1/…`: each answers with plain JSON."""

    def listed(name: str, ask: Callable[[Request], Json]) -> Route:
        async def answer(request: Request) -> Response:
            rooms.guard(request)
            return _json(await rooms.off_loop(partial(ask, request)))

        return Route(f"/api/v1/{name}", answer)

    def one(request: Request) -> Json:
        return rooms.view.incident(request.path_params["id"]) or _missing(request)

    def windows(request: Request) -> Json:
        model = request.query_params.get("model")
        if model is None:
            return {"windows": rooms.view.status()["windows"]}
        return {"windows": rooms.view.boards(model, _limit(request))}

    return [
        listed("status", lambda _: rooms.view.status()),
        listed("models", lambda _: {"models": rooms.view.status()["models"]}),
        listed("alerts", lambda _: {"alerts": rooms.view.status()["alerts"]}),
        listed("windows", windows),
        listed("incidents", lambda _: rooms.view.incidents()),
        listed("incidents/{id}", one),
        listed("rollbacks", lambda _: rooms.view.rollbacks()),
    ]


def _limit(request: Request) -> int:
    """`limit` of the query, 1 to 500; 400 where it is no such number."""
    text = request.query_params.get("limit", "60")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_WINDOWS)) and 1 <= int(text) <= _MOST_WINDOWS):
        raise HTTPException(400, f"limit must be a number from 1 to {_MOST_WINDOWS}, not {text[:40]!r}")
    return int(text)


def _json(answer: Json, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")


def _missing(request: Request) -> Json:
    raise HTTPException(404, f"there is nothing at {request.url.path}")


async def _refuse(request: Request, problem: Exception) -> Response:
    """Errors as JSON for the API and as a line of text elsewhere."""
    status, detail, headers = (problem.status_code, problem.detail, problem.headers) if isinstance(problem, HTTPException) else (500, "", None)
    answer = _json({"error": detail}, status) if request.url.path.startswith("/api/") else PlainTextResponse(f"{detail}\n", status)
    answer.headers.update(headers or {})
    return answer


# ---------------------------------------------------------------------------------------------------- for people


_REPORT = _HEADERS | {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; font-src data:; img-src data: blob:; frame-src 'self'; frame-ancestors 'none'"
}
"""A report holds Evidently's page, which is scripts: it runs without an origin, so it can ask this server for nothing."""


def _pages(rooms: _Rooms) -> list[Route]:
    def page(path: str, ask: Callable[[Request], str | None], headers: Mapping[str, str] = _HEADERS, *, slow: bool = False) -> Route:
        async def answer(request: Request) -> Response:
            rooms.guard(request)
            html = await (rooms.apart if slow else rooms.off_loop)(partial(ask, request))
            if html is None:
                raise HTTPException(404, f"there is nothing at {request.url.path}; the models are at /")
            return Response(html, headers=headers, media_type="text/html")

        return Route(path, answer)

    view, pages = rooms.view, rooms.pages
    return [
        page("/", lambda _: pages.overview(view)),
        page("/models/{model:path}", lambda request: pages.model(view, request.path_params["model"])),
        page("/incidents", lambda _: pages.incidents(view)),
        page("/incidents/{id}/report", lambda request: view.report(request.path_params["id"]), _REPORT, slow=True),
        page("/incidents/{id}", lambda request: pages.incident(view, request.path_params["id"])),
    ]
