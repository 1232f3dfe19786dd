"""The responses to requests that a fault or an outage hits."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from runpod_typed.local._faults import ErrorForm, Fault, FaultKind, RetryAfterForm
from runpod_typed.local._http import json_response
from runpod_typed.local._protocol import close, reset
from runpod_typed.local._service import QueueService

HTML_PAGE = """<!DOCTYPE html>
<html><head><title>api.runpod.ai | {status}</title></head>
<body><h1>Error {status}</h1><p>The web server reported an error.</p></body></html>
"""


async def respond_with_fault(
    fault: Fault, request: Request, service: QueueService, process: Callable[[], Awaitable[Response]]
) -> Response:
    """Respond to a request that a fault hits.

    Args:
        fault: The fault.
        request: The request.
        service: The queue, for its clock.
        process: Handles the request as usual.
    """
    if fault.kind is FaultKind.LATENCY:
        await asyncio.sleep(fault.seconds)
    elif fault.kind is FaultKind.CLOCK_JUMP:
        service.advance_clock(fault.seconds)
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
    headers = _retry_after(fault)
    message = "too many requests" if fault.status == 429 else f"error {fault.status}"
    match fault.form:
        case ErrorForm.JSON:
            return json_response({"error": message}, fault.status, headers)
        case ErrorForm.TEXT:
            return Response(message, fault.status, headers, "text/plain")
        case ErrorForm.HTML:
            return Response(HTML_PAGE.format(status=fault.status), fault.status, headers, "text/html")
        case ErrorForm.EMPTY:
            return Response(b"", fault.status, headers)
        case _:
            assert_never(fault.form)


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    seconds = math.ceil(fault.retry_after)
    match fault.retry_after_form:
        case RetryAfterForm.SECONDS:
            return {"Retry-After": str(seconds)}
        case RetryAfterForm.FRACTION:
            return {"Retry-After": str(fault.retry_after)}
        case RetryAfterForm.DATE:
            return {"Retry-After": formatdate(time.time() + seconds, usegmt=True)}
        case RetryAfterForm.RATE_LIMIT:
            return {"RateLimit": f'"second";r=0;t={seconds}', "RateLimit-Policy": '"second";q=100;w=10'}
        case _:
            assert_never(fault.retry_after_form)
