"""The routes of the page: the page itself, its events, and its actions."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from runpod_typed.local._json import encode
from runpod_typed.local._page.reference import render_reference
from runpod_typed.local._page.views import show_detail, show_queue
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.access import Access, browser_problem, same_key
from runpod_typed.local._server.envelope import read_envelope
from runpod_typed.local._server.requests import REFUSALS, Refusal, bad_request, json_response, read_json, show_refusal

REFRESH_SECONDS: Final = 0.25
BODY_CAP: Final = 20 * 1024 * 1024
LARGEST_JUMP: Final = 30 * 86_400.0
STATIC: Final = files("runpod_typed.local._page") / "static"
MEDIA_TYPES: Final = {"icon.svg": "image/svg+xml", "page.css": "text/css", "page.js": "text/javascript"}
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes(runtime: QueueRuntime, access: Access) -> list[Route]:
    """Return the routes of the page."""
    page = _Page(runtime, access)
    return [
        Route("/", page.checked(page.index, token=False)),
        Route("/docs", page.checked(page.docs, token=False)),
        Route("/page/static/{name}", page.checked(page.static, token=False)),
        Route("/page/events", page.checked(page.events)),
        Route("/page/jobs/{job_id}", page.checked(page.job)),
        Route("/page/{action}", page.checked(page.act), methods=["POST"]),
    ]


class _Page:
    def __init__(self, runtime: QueueRuntime, access: Access) -> None:
        self._runtime = runtime
        self._access = access

    def checked(
        self, handler: Callable[[Request], Awaitable[Response]], *, token: bool = True
    ) -> Callable[[Request], Awaitable[Response]]:
        """Refuse requests of other machines and of other web pages, and those without the token."""

        async def check(request: Request) -> Response:
            problem = self._problem(request, token=token)
            if problem is not None:
                return json_response({"error": problem}, 403, HEADERS)
            try:
                return await handler(request)
            except REFUSALS as error:
                return show_refusal(error)
            except ValueError as error:
                return json_response({"error": str(error)}, 400)

        return check

    def _problem(self, request: Request, *, token: bool) -> str | None:
        """Return why a request is refused, or None."""
        if not _is_local(request):
            return "the page is for this machine alone"
        problem = browser_problem(request.headers, self._access.hosts)
        given = request.headers.get("x-page-token") or request.query_params.get("token", "")
        if problem is None and token and not same_key(given, self._access.page_token):
            return "the token is missing or wrong: open the page with the URL that was printed"
        return problem

    async def index(self, request: Request) -> Response:
        del request
        return Response((STATIC / "index.html").read_bytes(), media_type="text/html", headers=HEADERS)

    async def docs(self, request: Request) -> Response:
        del request
        return Response(render_reference(self._runtime.endpoint_id), media_type="text/html", headers=HEADERS)

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in MEDIA_TYPES:
            raise Refusal(404, {"error": "not found"})
        return Response((STATIC / name).read_bytes(), media_type=MEDIA_TYPES[name], headers=HEADERS)

    async def events(self, request: Request) -> Response:
        """Stream the queue's state whenever it has changed."""

        async def stream() -> AsyncIterator[bytes]:
            last = b""
            while not self._runtime.closing and not await request.is_disconnected():
                state = encode(show_queue(self._runtime))
                if state != last:
                    last = state
                    yield b"data: " + state + b"\n\n"
                await asyncio.sleep(REFRESH_SECONDS)

        return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS)

    async def job(self, request: Request) -> Response:
        record = self._runtime.act(self._runtime.engine.find, request.path_params["job_id"])
        return json_response(show_detail(self._runtime, record), headers=HEADERS)

    async def act(self, request: Request) -> Response:
        body = await read_json(request, BODY_CAP)
        if not isinstance(body, dict):
            raise bad_request("the body must be an object")
        done = self._do(request.path_params["action"], cast("dict[str, Any]", body))
        return json_response(done or {}, headers=HEADERS)

    def _do(self, action: str, body: dict[str, Any]) -> dict[str, object] | None:
        runtime, engine, job_id = self._runtime, self._runtime.engine, str(body.get("id"))
        match action:
            case "submit":
                return {"id": runtime.act(engine.submit, read_envelope(body)).id}
            case "cancel":
                runtime.act(engine.cancel, job_id)
            case "retry":
                runtime.act(engine.retry, job_id)
            case "purge":
                return {"removed": runtime.act(engine.purge)}
            case "pause":
                runtime.act(lambda _: engine.pause() if body.get("paused") else engine.resume())
            case "advance":
                runtime.advance_clock(_number(body, "seconds", LARGEST_JUMP) or 0.0)
            case "inject":
                self._inject(body)
            case _:
                raise bad_request("unknown action")
        return None

    def _inject(self, body: dict[str, Any]) -> None:
        times, status = _number(body, "times", 1000), _number(body, "status", 599)
        self._runtime.faults.inject(
            str(body.get("kind")),
            operation=body.get("operation") or None,
            times=1 if times is None else int(times),
            status=None if status is None else int(status),
            seconds=_number(body, "seconds", 3600),
        )


def _number(body: dict[str, Any], name: str, largest: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
        raise ValueError(f"{name} must be a number from 0 to {largest:g}")
    return value


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
