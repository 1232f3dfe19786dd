"""The errors of the API and of connections: the class that a response or a failure becomes, and its message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlsplit

from runpod_queue_api import wire

from runpod_typed._codecs import json
from runpod_typed._core.requests import Request
from runpod_typed._errors import printable
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CertificateError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)

_SHOWN_CHARACTERS: Final = 200
_KEPT_BYTES: Final = 64 * 1024
_REQUEST_ID_HEADERS: Final = tuple(name.lower() for name in wire.REQUEST_ID_HEADERS)
_API_PATH: Final = urlsplit(wire.SERVER_URL).path

# What Runpod says to a body above its cap, under 400, and what others in its place say. Other things than bodies may be
# too large, or exceed something.
_TOO_LARGE: Final = re.compile(
    r"max(imum)? size|(size|payload|body|entity|request) (is )?too large|exceed.*\b(size|payload|body|[km]i?b)\b",
    re.IGNORECASE,
)

_BY_STATUS: Final[Mapping[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

_ADVICE: Final[Mapping[type[APIStatusError], str]] = {
    AuthenticationError: "Check the API key (RUNPOD_API_KEY): it is missing, wrong or revoked.",
    PermissionDeniedError: "The API key may not do this: check its permissions in the console.",
    PayloadTooLargeError: "Put large data into storage and send its URL.",
    RateLimitError: "Send fewer requests at once, or give the endpoint more workers.",
    ServerError: "The platform or a worker failed: try again later, or send the request id to support.",
}


def connection_error(
    request: Request[Any], failure: TransportFailure, connection: ConnectionConfig, *, seconds: float
) -> APIConnectionError:
    """Return the error for a call that got no complete response, after `seconds`."""
    reason = printable(_without_secrets(failure.reason[:_KEPT_BYTES], request, connection), _SHOWN_CHARACTERS)
    size = len(request.http.body or b"")
    sent = failure.bytes_sent or 0
    kind: type[APIConnectionError] = APIConnectionError
    if failure.certificate_refused:
        kind = CertificateError
        what = "could not connect: the server's certificate cannot be verified"
        advice = "Nothing was sent. Check the base URL, and SSL_CERT_FILE if the network has a certificate of its own."
    elif failure.timed_out:
        kind = APITimeoutError
        within = f"within {max(0.0, seconds):.3g} s"
        what = f"sent {sent:,} of {size:,} bytes of its body {within}" if sent else f"got no response {within}"
        advice = "Raise timeout=, or check the endpoint's health."
        if sent:
            advice = "Nothing was queued. Raise timeout=, or put large data into storage and send its URL."
    elif failure.request_sent:
        what, advice = "lost its connection", "Check the network and the base URL."
    else:
        what = f"lost its connection after {sent:,} of {size:,} bytes of its body" if sent else "could not connect"
        advice = "Check the network and the base URL."
    return kind(
        f"{_where(request, connection, failure.proxy)} {what} ({reason}). {advice}",
        operation=request.operation.name,
        method=request.http.method,
        url=connection.url(request.http.target),
        request_sent=failure.request_sent,
    )


def oversize_error(request: Request[Any]) -> PayloadTooLargeError:
    """Return the error for a body above the operation's cap.

    It is returned and not raised: a traceback from here would show the body, and with it storage credentials.
    """
    name, cap = request.operation.name, request.operation.payload_cap or 0
    advice = "run_sync() takes larger ones; or put" if cap < max(wire.PAYLOAD_CAPS.values()) else "Put"
    return PayloadTooLargeError(
        f"The input for endpoint {request.endpoint_id} makes a request of {len(request.http.body or b'') / 2**20:.1f} "
        f"MiB, and {name} takes {cap / 2**20:.0f} MiB. Nothing was sent. {advice} large data into storage and send its "
        "URL.",
        operation=name,
        method=request.http.method,
        url=request.http.target,
        status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def status_error(
    request: Request[Any], response: HttpResponse, connection: ConnectionConfig, body: Any, *, retry_after: float | None
) -> APIStatusError:
    """Return the error for a response with an error status, whose decoded body is `body` if it is JSON."""
    status = response.status
    text = _kept_text(request, response, connection)
    message = _without_secrets(_message(body)[:_KEPT_BYTES], request, connection) or text
    said = printable(message.strip(), _SHOWN_CHARACTERS) or response.problem or "no message"
    error_class = _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)
    if error_class is BadRequestError and _TOO_LARGE.search(said):
        error_class = PayloadTooLargeError
    headers = {
        _without_secrets(name, request, connection): _without_secrets(value, request, connection)
        for name, value in response.headers.items()
    }
    request_id = _request_id(headers)
    asked = None if retry_after is None else f"The server asks to wait {retry_after:g} s."
    advice = _advice(error_class, request, connection, response)
    sentences = (f"{_where(request, connection, response.proxy)} failed with {status}: {said}.", asked, advice)
    return error_class(
        " ".join(filter(None, sentences)) + _shown_id(request_id),
        operation=request.operation.name,
        method=request.http.method,
        url=connection.url(request.http.target),
        status_code=status,
        body=_kept_body(text, response),
        headers=headers,
        request_id=request_id,
        retry_after=retry_after,
    )


def _advice(
    error_class: type[APIStatusError], request: Request[Any], connection: ConnectionConfig, response: HttpResponse
) -> str:
    if error_class is NotFoundError:
        path = connection.base_url.path
        wrong_path = "" if path == _API_PATH else f"the base URL, which does not end with {_API_PATH}, "
        job = "" if request.job_id is None else " and the job id: results are kept for a limited time"
        return f"Check {wrong_path}the endpoint id {request.endpoint_id!r}{job}."
    if 300 <= response.status < 400:
        return "Redirects are not followed, since the API key would go along: check the base URL."
    if response.status == 407:
        return "Check the user and password in the environment's proxy variables."
    return _ADVICE.get(error_class, "")


def validation_error(
    request: Request[Any],
    response: HttpResponse,
    connection: ConnectionConfig,
    reason: str,
    *,
    is_json: bool = True,
) -> APIResponseValidationError:
    """Return the error for a response that does not fit the specification."""
    text = _kept_text(request, response, connection)
    request_id = _request_id(response.headers)
    request_id = None if request_id is None else _without_secrets(request_id, request, connection)
    reason = printable(_without_secrets(reason, request, connection))
    begins = f" The body begins: {printable(text, _SHOWN_CHARACTERS)!r}." if text else ""
    return APIResponseValidationError(
        f"{_where(request, connection, response.proxy)} got {response.status} with {reason}, which does not fit the "
        f"specification {wire.SPEC_VERSION}.{begins}{_shown_id(request_id)}",
        operation=request.operation.name,
        method=request.http.method,
        url=connection.url(request.http.target),
        status_code=response.status,
        body=_kept_body(text, response),
        is_json=is_json,
        request_id=request_id,
    )


def _where(request: Request[Any], connection: ConnectionConfig, proxy: str | None) -> str:
    through = "" if proxy is None else f" through the proxy {proxy}"
    return f"{request.operation.name} ({request.http.method} {connection.url(request.http.target)}{through})"


def _message(body: object) -> str:
    """Return the message of a decoded error body, from the known keys; empty if there is none."""
    found: Any = body
    while isinstance(found, Mapping):
        fields = cast("Mapping[str, Any]", found)
        values = (fields.get(key) for key in wire.ERROR_MESSAGE_KEYS)
        found = next((value for value in values if value and isinstance(cast("object", value), str | Mapping)), None)
    return found if isinstance(found, str) else ""


def _kept_text(request: Request[Any], response: HttpResponse, connection: ConnectionConfig) -> str:
    """Return the beginning of the body, without secrets."""
    longest = max(len(secret.reveal()) for secret in (connection.api_key, *request.http.credentials))
    text = response.body[: _KEPT_BYTES + longest].decode("utf-8", "replace")  # a secret at the end is found whole
    return _without_secrets(text, request, connection)[:_KEPT_BYTES]


def _kept_body(text: str, response: HttpResponse) -> Any:
    """Return decoded JSON, or the text if it is not JSON or not the whole body; None if there is no body to keep."""
    if len(response.body) > _KEPT_BYTES:
        return text
    try:
        response.body.decode()  # what is not UTF-8 is not JSON, though it is once it can be shown
        return json.decode(text.encode())
    except (UnicodeDecodeError, json.MalformedJSON):
        return None if response.problem and not text else text


def _without_secrets(text: str, request: Request[Any], connection: ConnectionConfig) -> str:
    for secret in (connection.api_key, *request.http.credentials):
        text = secret.cut_from(text)
    return text


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def _shown_id(request_id: str | None) -> str:
    return f" [request id {printable(request_id, _SHOWN_CHARACTERS)}]" if request_id else ""
