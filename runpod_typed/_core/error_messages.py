"""The errors of the API and of connections: the class that a response or a failure becomes, and its message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast, final
from urllib.parse import urlsplit

from attrs import frozen
from runpod_queue_api import wire
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._core.requests import Request
from runpod_typed._errors import printable
from runpod_typed._models.secret import Secret
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
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

# Messages of Runpod (with status 400) and of proxies for a body above their cap. Each names the body, since other
# things may be too large too.
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
    AuthenticationError: "Check the API key (RUNPOD_API_KEY): it is wrong or revoked.",
    PermissionDeniedError: "The API key may not do this: check its permissions in the console.",
    PayloadTooLargeError: "Put large data into storage and send its URL.",
    RateLimitError: "Send fewer requests at once, or give the endpoint more workers.",
    ServerError: "The platform or a worker failed: try again later.",
}


ErrorT = TypeVar("ErrorT", bound=APIError)


@final
@frozen
class CallErrors:
    """The errors of one call. They name its operation and URL, and hold no secret."""

    request: Request[Any]
    connection: ConnectionConfig

    def of_connection(self, failure: TransportFailure, *, seconds: float) -> APIConnectionError:
        """Return the error for a call that got no complete response, after `seconds`."""
        size, sent = len(self.request.http.body or b""), failure.bytes_sent or 0
        kind, advice = APIConnectionError, "Check the network and the base URL."
        if failure.certificate_refused:
            kind = CertificateError
            what = "could not connect: the server's certificate cannot be verified"
            advice = (
                "Nothing was sent. Check the base URL, and SSL_CERT_FILE if the network has a certificate of its own."
            )
        elif failure.timed_out:
            kind = APITimeoutError
            within = f"within {max(0.0, seconds):.3g} s"
            what = f"sent {sent:,} of {size:,} bytes of its body {within}" if sent else f"got no response {within}"
            advice = "Raise timeout=, or check the endpoint's health."
            if sent:
                advice = "Nothing was queued. Raise timeout=, or put large data into storage and send its URL."
        elif failure.request_sent:
            what = "lost its connection"
        else:
            what = f"lost its connection after {sent:,} of {size:,} bytes of its body" if sent else "could not connect"
        reason = printable(self._cut(failure.reason[:_KEPT_BYTES]), _SHOWN_CHARACTERS)
        message = f"{self._where(failure.proxy)} {what} ({reason}). {advice}"
        return self.make(kind, message, request_sent=failure.request_sent)

    def of_status(self, response: HttpResponse, body: Any, *, retry_after: float | None) -> APIStatusError:
        """Return the error for a response with an error status, whose decoded body is `body` if it is JSON."""
        status, (text, kept) = response.status, self._kept(response)
        message = self._cut(_message(body)[:_KEPT_BYTES]) or text
        said = printable(message.strip(), _SHOWN_CHARACTERS) or response.problem or "no message"
        kind = _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)
        if kind is BadRequestError and _TOO_LARGE.search(said):
            kind = PayloadTooLargeError
        headers = {self._cut(name): self._cut(value) for name, value in response.headers.items()}
        request_id = _request_id(headers)
        asked = None if retry_after is None else f"The server asks to wait {retry_after:g} s."
        failed = f"{self._where(response.proxy)} failed with {status}: {said}."
        return self.make(
            kind,
            " ".join(filter(None, (failed, asked, self._advice(kind, status, request_id)))) + _shown_id(request_id),
            status_code=status,
            body=kept,
            headers=headers,
            request_id=request_id,
            retry_after=retry_after,
        )

    def of_validation(self, response: HttpResponse, reason: str, *, is_json: bool = True) -> APIResponseValidationError:
        """Return the error for a response that does not fit the specification."""
        (text, kept), request_id = self._kept(response), self._cut(_request_id(response.headers) or "") or None
        begins = f" The body begins: {printable(text, _SHOWN_CHARACTERS)!r}." if text else ""
        unfit = advice = ""
        if not response.problem:
            unfit = f", which does not fit the specification {wire.SPEC_VERSION}"
            advice = " Upgrade runpod-typed, or report it." if is_json else " Check the base URL, and any proxy."
        return self.make(
            APIResponseValidationError,
            f"{self._where(response.proxy)} got {response.status} with {printable(self._cut(reason))}{unfit}."
            f"{begins}{advice}{_shown_id(request_id)}",
            status_code=response.status,
            body=kept,
            is_json=is_json,
            request_id=request_id,
        )

    def make(self, kind: type[ErrorT], message: str, **fields: Any) -> ErrorT:
        """Return an error about the call."""
        url = self.connection.url(self.request.http.target)
        return kind(message, operation=self.request.operation.name, method=self.request.http.method, url=url, **fields)

    def _advice(self, kind: type[APIStatusError], status: int, request_id: str | None) -> str:
        if kind is NotFoundError:
            wrong = self.connection.base_url.path != _API_PATH
            path = f"the base URL, which does not end with {_API_PATH}, " if wrong else ""
            job = "" if self.request.job_id is None else " and the job id"
            return f"Check {path}the endpoint id {self.request.endpoint_id!r}{job}."
        if 300 <= status < 400:
            return "Redirects are not followed, since the API key would go along: check the base URL."
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return "Check the user and password in the environment's proxy variables."
        if kind is ServerError and request_id:
            return "The platform or a worker failed: try again later, or send the request id to support."
        return _ADVICE.get(kind, "")

    def _where(self, proxy: str | None) -> str:
        request, through = self.request, "" if proxy is None else f" through the proxy {proxy}"
        url = self.connection.url(request.http.target)
        return f"{request.operation.name} ({request.http.method} {url}{through})"

    def _kept(self, response: HttpResponse) -> tuple[str, Any]:
        """Return the beginning of the body as text, and what is kept of the decoded body, both without secrets."""
        longest = max(len(secret.reveal()) for secret in self._secrets)
        text = response.body[: _KEPT_BYTES + longest].decode("utf-8", "replace")  # a secret at the end is found whole
        text = self._cut(text)[:_KEPT_BYTES]
        body = _kept_body(text, response)
        if body is not text and "\\" in text:  # JSON may have had any character of a secret as an escape
            plain = _encode(body)
            cut = self._cut(plain)
            if cut != plain:
                return cut, _kept_body(cut, response)
        return text, body

    def _cut(self, text: str) -> str:
        """Return text of the server without secrets."""
        for secret in self._secrets:
            text = secret.cut_from(text)
        return text

    @property
    def _secrets(self) -> tuple[Secret, ...]:
        return self.connection.api_key, *self.request.http.credentials


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


def _message(body: object) -> str:
    """Return the message of a decoded error body, from the known keys; empty if there is none."""
    found: Any = body
    while isinstance(found, Mapping):
        fields = cast("Mapping[str, Any]", found)
        values = (fields.get(key) for key in wire.ERROR_MESSAGE_KEYS)
        found = next((value for value in values if value and isinstance(cast("object", value), str | Mapping)), None)
    return found if isinstance(found, str) else ""


def _encode(body: Any) -> str:
    try:
        return json.encode(body).decode()
    except json.UnencodableJSON:  # a lone surrogate
        return json.encode_as_decoded(body).decode()


def _kept_body(text: str, response: HttpResponse) -> Any:
    """Return decoded JSON, or the text if it is not JSON or not the whole body; None if there is no body to keep."""
    if len(response.body) > _KEPT_BYTES:
        return text
    try:
        response.body.decode()  # what is not UTF-8 is not JSON, though it is once it can be shown
        return json.decode(text.encode())
    except (UnicodeDecodeError, json.MalformedJSON):
        return None if response.problem and not text else text


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def _shown_id(request_id: str | None) -> str:
    return f" [request id {printable(request_id, _SHOWN_CHARACTERS)}]" if request_id else ""
