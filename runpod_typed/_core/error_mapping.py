"""An answer or a failure of the transport -> an exception of our tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpcore
import httpx
from runpod_queue_api import wire

from runpod_typed._core import json
from runpod_typed._core.http import HttpAnswer, TransportFailure
from runpod_typed._core.operations import Request
from runpod_typed._core.shapes import WrongShapeError
from runpod_typed.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)

_SHOWN_CHARACTERS = 200
_REQUEST_ID_HEADERS = ("x-request-id", "x-runpod-request-id", "cf-ray", "traceparent")

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

_ADVICE: Mapping[type[APIStatusError], str] = {
    AuthenticationError: "Check the API key (RUNPOD_API_KEY): it is missing, wrong or revoked.",
    PermissionDeniedError: "The API key may not do this; check its permissions in the console.",
    PayloadTooLargeError: "Put large data into storage and send its URL.",
    RateLimitError: "Send fewer requests at once, or give the endpoint more workers.",
    ServerError: "The platform or a worker failed; try again later, and quote the request id to support if it goes on.",
}

# The classes of httpx and of httpcore, its lower layer, have the same names and meanings.
_NEVER_SENT: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_TIMED_OUT: tuple[type[Exception], ...] = (httpx.TimeoutException, httpcore.TimeoutException, TimeoutError)


def transport_failure(error: Exception, *, request_sent: bool | None = None) -> TransportFailure:
    """What a transport's exception amounts to.

    Args:
        error: The exception.
        request_sent: Whether any part of the request left this machine, where that is known; else the exception's class
            tells.
    """
    sent = not isinstance(error, _NEVER_SENT) if request_sent is None else request_sent
    text = str(error)
    name = type(error).__name__
    return TransportFailure(
        reason=f"{name}: {text}" if text else name, request_sent=sent, timed_out=isinstance(error, _TIMED_OUT)
    )


def connection_error(
    request: Request[Any], failure: TransportFailure, url: str, *, seconds: float
) -> APIConnectionError:
    """The error for a call to which no complete answer came."""
    where = _where(request, url)
    if failure.timed_out:
        return APITimeoutError(
            f"{where} was not answered within {max(0.0, seconds):.3g} s ({failure.reason}). Raise timeout=, or look at "
            "the endpoint's health.",
            operation=request.operation.name,
            method=request.http.method,
            url=url,
            request_sent=failure.request_sent,
        )
    how = "lost its connection" if failure.request_sent else "could not connect"
    return APIConnectionError(
        f"{where} {how} ({failure.reason}). Check the network and the base URL.",
        operation=request.operation.name,
        method=request.http.method,
        url=url,
        request_sent=failure.request_sent,
    )


def read_answer(
    request: Request[Any], answer: HttpAnswer, url: str, *, retry_after: float | None
) -> Any | APIStatusError | APIResponseValidationError:
    """What an answer says: the operation's result, or the error that it is. Raises nothing."""
    status = answer.status
    if answer.problem is not None and _is_success(status):
        return _validation_error(request, answer, url, None, answer.problem)
    try:
        body: Any = json.decode(answer.body)
    except json.MalformedJSON as error:
        if _is_success(status):
            return _validation_error(request, answer, url, _as_text(answer.body), f"no JSON ({error})")
        return status_error(request, answer, url, _as_text(answer.body), retry_after=retry_after)
    # A failed job may come with an error status: what the body says goes first.
    if _is_success(status) or (request.operation.answers_with_job and _looks_like_a_job(request, body)):
        try:
            return request.operation.read(body)
        except WrongShapeError as error:
            return _validation_error(request, answer, url, body, str(error))
    return status_error(request, answer, url, body, retry_after=retry_after)


def status_error(
    request: Request[Any], answer: HttpAnswer, url: str, body: Any, *, retry_after: float | None
) -> APIStatusError:
    """The error for an answer with an error status."""
    status = answer.status
    error_class = _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)
    said = _words(body)
    if error_class is BadRequestError and _means_too_large(said):
        error_class = PayloadTooLargeError
    request_id = _request_id(answer)
    advice = _advice(error_class, request, status)
    asked = "" if retry_after is None else f" The server asks to wait {retry_after:g} s."
    message = (
        f"{_where(request, url)} was answered with {status}{f': {said}' if said else ' and no text'}."
        f"{asked}{f' {advice}' if advice else ''}{f' [request id {request_id}]' if request_id else ''}"
    )
    return error_class(
        message,
        operation=request.operation.name,
        method=request.http.method,
        url=url,
        status_code=status,
        body=body,
        headers=answer.headers,
        request_id=request_id,
        retry_after=retry_after,
    )


def _advice(error_class: type[APIStatusError], request: Request[Any], status: int) -> str:
    if error_class is NotFoundError:
        return (
            f"Check the endpoint id {request.endpoint_id!r} and, where there is one, the job id: results are kept for "
            "a limited time."
        )
    if 300 <= status < 400:
        return "Redirects are not followed, since the API key would go along; check the base URL."
    return _ADVICE.get(error_class, "")


def _validation_error(
    request: Request[Any], answer: HttpAnswer, url: str, body: Any, reason: str
) -> APIResponseValidationError:
    request_id = _request_id(answer)
    return APIResponseValidationError(
        f"{_where(request, url)} was answered with {answer.status} and {reason}, which is not what the API is known "
        "to say. "
        f"The body begins: {_shorten(_as_text(answer.body))!r}{f' [request id {request_id}]' if request_id else ''}",
        operation=request.operation.name,
        method=request.http.method,
        url=url,
        status_code=answer.status,
        body=body,
        request_id=request_id,
    )


def _where(request: Request[Any], url: str) -> str:
    return f"{request.operation.name} ({request.http.method} {url})"


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _looks_like_a_job(request: Request[Any], body: object) -> bool:
    try:
        return bool(request.operation.read(body).completed)
    except WrongShapeError:
        return False


def _words(body: object) -> str:
    """The words of an error body, in whichever of the known places they stand, shortened."""
    if isinstance(body, Mapping):
        fields = cast("Mapping[str, Any]", body)
        for key in wire.ERROR_MESSAGE_KEYS:
            found = fields.get(key)
            if isinstance(found, str) and found:
                return _shorten(found)
            if isinstance(found, Mapping):
                nested = cast("Mapping[str, Any]", found)
                return _words(nested) or _shorten(str(nested))
    return "" if body is None else _shorten(f"{body}".strip())


def _means_too_large(said: str) -> bool:
    words = said.lower()
    return "max size" in words or "too large" in words or "exceeds" in words


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _as_text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _request_id(answer: HttpAnswer) -> str | None:
    return next((answer.headers[name] for name in _REQUEST_ID_HEADERS if answer.headers.get(name)), None)
