"""An answer or a failure of the transport -> an exception of our tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from runpod_queue_api import wire

from runpod_typed._codecs import json
from runpod_typed._core.operations import Request
from runpod_typed._core.responses import read_completed_job
from runpod_typed._errors import printable
from runpod_typed._models.validation import ValidationError, kind_of
from runpod_typed._transport.messages import HttpResponse, TransportFailure
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
_REQUEST_ID_HEADERS = tuple(name.lower() for name in wire.REQUEST_ID_HEADERS)

# What the platform says to a body above its cap, under 400, and what others in its place say. Other things than bodies
# may be too large, or exceed something.
_TOO_LARGE = re.compile(
    r"max(imum)? size|(size|payload|body|entity|request) (is )?too large|exceed.*\b(size|payload|body|[km]i?b)\b",
    re.IGNORECASE,
)

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


def connection_error(
    request: Request[Any], failure: TransportFailure, url: str, *, seconds: float
) -> APIConnectionError:
    """The error for a call to which no complete answer came."""
    where, reason = _where(request, url), _shorten(failure.reason)
    if failure.timed_out:
        return APITimeoutError(
            f"{where} was not answered within {max(0.0, seconds):.3g} s ({reason}). Raise timeout=, or look at "
            "the endpoint's health.",
            operation=request.operation.name,
            method=request.http.method,
            url=url,
            request_sent=failure.request_sent,
        )
    how = "lost its connection" if failure.request_sent else "could not connect"
    return APIConnectionError(
        f"{where} {how} ({reason}). Check the network and the base URL.",
        operation=request.operation.name,
        method=request.http.method,
        url=url,
        request_sent=failure.request_sent,
    )


def read_response(
    request: Request[Any], answer: HttpResponse, url: str, *, retry_after: float | None, leave_output: bool = False
) -> Any | APIStatusError | APIResponseValidationError:
    """What an answer says: the operation's result, or the error that it is. Raises nothing."""
    status = answer.status
    if leave_output and request.operation.returns_job and _is_success(status):
        completed = read_completed_job(answer.body)
        if completed is not None:
            return completed
    try:
        body: Any = json.decode(answer.body)
    except json.MalformedJSON as error:
        body = _as_text(answer.body) if answer.problem is None or answer.body else None
        if _is_success(status):
            return _validation_error(request, answer, url, body, answer.problem or f"no JSON ({error})")
        return status_error(request, answer, url, body, retry_after=retry_after)
    # A failed job may come with an error status: what the body says goes first.
    if _is_success(status) or (request.operation.returns_job and _looks_like_a_job(request, body)):
        try:
            return request.operation.read(body)
        except ValidationError as error:
            return _validation_error(request, answer, url, body, str(error))
    return status_error(request, answer, url, body, retry_after=retry_after)


def status_error(
    request: Request[Any], answer: HttpResponse, url: str, body: Any, *, retry_after: float | None
) -> APIStatusError:
    """The error for an answer with an error status."""
    status = answer.status
    error_class = _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)
    said = _words(body) or answer.problem or "no text"
    if error_class is BadRequestError and _TOO_LARGE.search(said):
        error_class = PayloadTooLargeError
    request_id = _request_id(answer)
    advice = _advice(error_class, request, status)
    asked = "" if retry_after is None else f" The server asks to wait {retry_after:g} s."
    message = (
        f"{_where(request, url)} was answered with {status}: {said}.{asked}{f' {advice}' if advice else ''}"
        f"{_shown_id(request_id)}"
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
    request: Request[Any], answer: HttpResponse, url: str, body: Any, reason: str
) -> APIResponseValidationError:
    request_id = _request_id(answer)
    return APIResponseValidationError(
        f"{_where(request, url)} was answered with {answer.status} and {reason}, which does not fit the specification "
        f"{wire.SPEC_VERSION}. The body begins: {_beginning(answer.body)!r}{_shown_id(request_id)}",
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
        return bool(request.operation.read(body).done)
    except ValidationError:
        return False


def _words(body: object) -> str:
    """The words of an error body, in whichever of the known places they stand, shortened."""
    found: Any = body
    while isinstance(found, Mapping):
        fields = found = cast("Mapping[str, Any]", found)
        places = (fields.get(key) for key in wire.ERROR_MESSAGE_KEYS)
        inner = next((place for place in places if place and isinstance(cast("object", place), str | Mapping)), None)
        if inner is None:
            break
        found = inner
    if isinstance(found, str):
        return _shorten(found.strip())
    try:
        return "" if found is None else _shorten(str(found))
    except RecursionError:  # JSON may be nested more deeply than Python can print
        return kind_of(found)


def _shorten(text: str) -> str:
    return printable(text, _SHOWN_CHARACTERS)


def _beginning(body: bytes) -> str:
    return _shorten(_as_text(body[: 4 * _SHOWN_CHARACTERS + 4]))  # a character has 4 bytes at most


def _shown_id(request_id: str | None) -> str:
    return f" [request id {_shorten(request_id)}]" if request_id else ""


def _as_text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _request_id(answer: HttpResponse) -> str | None:
    return next((answer.headers[name] for name in _REQUEST_ID_HEADERS if answer.headers.get(name)), None)
