"""The responses to requests that a fault or an outage hits."""

import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from runpod_typed.local._faults import ErrorForm, Fault, FaultKind, RetryAfterForm
from runpod_typed.local._runtime import QueueRuntime, Waiter
from runpod_typed.local._server.requests import json_response
from runpod_typed.local._server.uvicorn_protocols import close, reset

HTML_PAGE = """<!DOCTYPE html>
<html><head><title>api.runpod.ai | {status}</title></head>
<body><h1>Error {status}</h1><p>The web server reported an error.</p></body></html>
"""


async def respond_with_fault(
    fault: Fault, request: Request, runtime: QueueRuntime, process: Callable[[], Awaitable[Response]]
) -> Response:
    """Respond to a request that a fault hits; `process` handles it as usual."""
    if fault.kind is FaultKind.LATENCY:
        await runtime.wait_for("", Waiter(), lambda: False, fault.seconds)  # ends when the queue stops
    elif fault.kind is FaultKind.CLOCK_JUMP:
        runtime.advance_clock(fault.seconds)
    elif fault.kind is FaultKind.NOT_YET_VISIBLE:
        if "job_id" in request.path_params:
            return json_response({"error": "job not found"}, 404)
        request.state.hidden_for = fault.seconds
    response = await process() if fault.processed else Response()
    match fault.kind:
        case FaultKind.RESET_BEFORE | FaultKind.RESET_AFTER | FaultKind.DROPPED_STREAM:
            return ResetResponse(request)
        case FaultKind.TRUNCATED_BODY:
            if isinstance(response, StreamingResponse):
                return ResetResponse(request)
            return TruncatedResponse(request, response)
        case FaultKind.HTML_BODY:
            return Response(HTML_PAGE.format(status=200), media_type="text/html")
        case _:
            return response if fault.status == 200 else _error(fault)


class ResetResponse(Response):
    """A broken connection."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reset(self._request)
        await _until_disconnected(receive)


class TruncatedResponse(Response):
    """The first half of a response, then the end of the connection."""

    def __init__(self, request: Request, whole: Response) -> None:
        super().__init__()
        self._request = request
        self._whole = whole

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole, body = self._whole, bytes(self._whole.body)
        await send({"type": "http.response.start", "status": whole.status_code, "headers": whole.raw_headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        close(self._request)
        await _until_disconnected(receive)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _error(fault: Fault) -> Response:
    status, headers = fault.status, _retry_after(fault)
    message = "too many requests" if status == 429 else f"error {status}"
    if fault.form is ErrorForm.JSON:
        return json_response({"error": message}, status, headers)
    text, media_type = {
        ErrorForm.TEXT: (message, "text/plain"),
        ErrorForm.HTML: (HTML_PAGE.format(status=status), "text/html"),
        ErrorForm.EMPTY: ("", None),
    }[fault.form]
    return Response(text, status, headers, media_type)


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after_form is None:
        return {}
    seconds = math.ceil(fault.seconds)
    if fault.retry_after_form is RetryAfterForm.RATE_LIMIT:
        return {"RateLimit": f'"second";r=0;t={seconds}', "RateLimit-Policy": '"second";q=100;w=10'}
    value = {
        RetryAfterForm.SECONDS: str(seconds),
        RetryAfterForm.FRACTION: str(fault.seconds),
        RetryAfterForm.DATE: formatdate(time.time() + seconds, usegmt=True),
    }[fault.retry_after_form]
    return {"Retry-After": value}
