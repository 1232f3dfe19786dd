"""Reading and checking what Runpod posts to a webhook."""

from __future__ import annotations

import hmac
from collections.abc import Coroutine
from typing import Any, Protocol, cast, overload

from typing_extensions import TypeForm, TypeVar

from runpod_typed._codecs import json
from runpod_typed._codecs.codec import UNTYPED, Codec, choose_codec
from runpod_typed._errors import ConfigurationError, InputError, printable
from runpod_typed._models.durations import Duration
from runpod_typed._models.jobs import JobState, with_typed_output
from runpod_typed._models.responses import MAX_WEBHOOK_BYTES, ValidationError, decode_job, read_webhook

__all__ = ["MAX_WEBHOOK_BYTES", "parse_webhook", "verify_secret"]

OutT = TypeVar("OutT")
OutT_co = TypeVar("OutT_co", covariant=True)


class _Job(Protocol[OutT_co]):
    def refresh(self, timeout: Duration | None = None) -> JobState[OutT_co]: ...


class _AsyncJob(Protocol[OutT_co]):
    async def refresh(self, timeout: Duration | None = None) -> JobState[OutT_co]: ...


class _Endpoint(Protocol[OutT_co]):
    def job(self, job_id: str) -> _Job[OutT_co]: ...


class _AsyncEndpoint(Protocol[OutT_co]):
    def job(self, job_id: str) -> _AsyncJob[OutT_co]: ...


_Body = bytes | bytearray | memoryview | str


@overload
def parse_webhook(body: _Body, *, max_bytes: int = ...) -> JobState[Any]: ...
@overload
def parse_webhook(body: _Body, *, output_type: TypeForm[OutT], max_bytes: int = ...) -> JobState[OutT]: ...
@overload
def parse_webhook(body: _Body, *, output_codec: Codec[OutT], max_bytes: int = ...) -> JobState[OutT]: ...
@overload
def parse_webhook(body: _Body, *, confirm: _Endpoint[OutT], max_bytes: int = ...) -> JobState[OutT]: ...
@overload
def parse_webhook(
    body: _Body, *, confirm: _AsyncEndpoint[OutT], max_bytes: int = ...
) -> Coroutine[Any, Any, JobState[OutT]]: ...
def parse_webhook(
    body: _Body,
    *,
    output_type: Any = UNTYPED,
    output_codec: Any = None,
    confirm: _Endpoint[Any] | _AsyncEndpoint[Any] | None = None,
    max_bytes: int = MAX_WEBHOOK_BYTES,
) -> JobState[Any] | Coroutine[Any, Any, JobState[Any]]:
    """Return the job that a webhook's body describes.

    Runpod signs nothing: a program that knows the URL can post to it. Put a secret into the URL and check it with
    `verify_secret`, or pass `confirm` to fetch the job's state from the API instead of trusting the body. Runpod may
    post the same job up to three times: respond 200 at once, and recognize repeats by the id.

    Example:
        ::

            state = parse_webhook(body, output_type=Caption)              # trusts the body
            state = parse_webhook(body, confirm=endpoint)                 # asks the API, with an Endpoint
            state = await parse_webhook(body, confirm=async_endpoint)     # the same, with an AsyncEndpoint

    Args:
        body: The request's body as it came.
        output_type: The type of the output, as for ``client.endpoint``.
        output_codec: A `Codec` for the output, instead of a type.
        confirm: The endpoint that the job was sent to. Only the job's id is taken from the body; the state is fetched
            from the API, and its output has the endpoint's type. A result is kept for 30 minutes after `run` and 1
            minute after `run_sync`.
        max_bytes: The largest body to accept, in bytes; by default the largest that the platform can send.

    Raises:
        InputError: The body is too large, not JSON, or does not describe a job.
        ConfigurationError: The type is not supported, or options exclude each other.
        APIError: Only with `confirm`: the call failed; `NotFoundError` if there is no such job.
    """
    codec = choose_codec("output_", output_type, output_codec)
    if confirm is not None and (output_type is not UNTYPED or output_codec is not None):
        raise ConfigurationError("confirm= gives the output the endpoint's type: leave output_type= and output_codec=.")
    given: object = max_bytes  # callers without a type checker may pass anything
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError(f"max_bytes= must be a whole number of 1 or more, not {max_bytes!r}.")
    state = _parse(_as_bytes(body, max_bytes))
    if confirm is None:
        return with_typed_output(state, codec)
    try:
        job = confirm.job(state.id)
    except ConfigurationError as error:
        raise InputError(f"The webhook's body does not describe a job: {error}") from None
    return job.refresh()


def verify_secret(received: str | bytes | None, expected: str) -> bool:
    """Compare the secret from a webhook's URL with the expected one, in constant time.

    Example:
        ::

            job = endpoint.run(input, webhook=f"https://example.com/hook?secret={SECRET}")
            ...
            if not verify_secret(request.query_params.get("secret"), SECRET):
                return Response(status_code=403)

    Raises:
        ConfigurationError: The expected secret is empty.
    """
    given: object = expected  # callers without a type checker may pass anything
    if not isinstance(given, str) or not given:  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError("The expected secret must be a string that is not empty.")
    if isinstance(received, str):
        received = received.encode("utf-8", "surrogatepass")
    return isinstance(received, bytes) and hmac.compare_digest(received, expected.encode("utf-8", "surrogatepass"))


def _as_bytes(body: object, max_bytes: int) -> bytes:
    if not isinstance(body, bytes | bytearray | memoryview | str):  # frameworks offer the decoded JSON
        raise InputError(f"The webhook's body must be bytes or a string, not {type(body).__name__}: pass it undecoded.")
    if isinstance(body, str) and len(body) <= max_bytes:
        try:
            body = body.encode()
        except UnicodeEncodeError:
            raise InputError("The webhook's body is not valid JSON: it has a lone surrogate.") from None
    size = body.nbytes if isinstance(body, memoryview) else len(body)
    if size > max_bytes:
        raise InputError(f"The webhook's body has at least {size} bytes, and max_bytes= is {max_bytes}.")
    return body if isinstance(body, bytes) else bytes(cast("bytearray | memoryview", body))


def _parse(data: bytes) -> JobState[Any]:
    try:
        return read_webhook(decode_job(data))
    except json.MalformedJSON as error:
        raise InputError(f"The webhook's body is not valid JSON: {error}.") from None
    except ValidationError as error:
        raise InputError(f"The webhook's body does not describe a job: {printable(str(error))}.") from None
