"""Requests of the API's operations: their parts, and how the generated code builds them."""

# _get_kwargs and _read_success are parts of the generated code: it is pinned, and a contract test asserts the names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic, NamedTuple, ParamSpec, Protocol, cast
from urllib.parse import parse_qs, quote_plus, urlsplit

from attrs import evolve, fields, has
from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._models.responses import Reader
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed._models.secret import Secret
from runpod_typed._models.user_warnings import warn_caller
from runpod_typed._models.validators import check_type
from runpod_typed._transport.messages import HttpRequest
from runpod_typed.errors import ConfigurationError

ExtraQuery = Mapping[str, str | float | bool]

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ModelT = TypeVar("ModelT")
ModelT_co = TypeVar("ModelT_co", covariant=True)


class GeneratedOperation(Protocol[P, ModelT_co]):
    """A module of ``runpod_queue_api.api``: its parameters, and the model of its successful responses."""

    @property
    def __name__(self) -> str: ...
    @property
    def _get_kwargs(self) -> Callable[P, dict[str, Any]]: ...
    @property
    def _read_success(self) -> Callable[[int, Any], ModelT_co]: ...


class Operation(NamedTuple, Generic[T_co]):
    """One operation of the API."""

    name: str
    """The operationId in the specification."""
    kind: OperationKind
    """The rule for repeating it."""
    read: Callable[[object], T_co]
    """Reads decoded JSON, or raises ValidationError."""
    returns_job: bool = False
    """True if a body that describes a job is a result even with an error status."""
    may_be_empty: bool = False
    """True if a success without a body is read as null."""
    note: Callable[[Any], str] | None = None
    """Returns the note about a result for an exception that hides it; None if the result is not missed."""

    @property
    def payload_cap(self) -> int | None:
        """Bytes that the body of a request may have, or None if no cap is known."""
        return wire.PAYLOAD_CAPS.get(self.name)


class LongPoll(NamedTuple):
    """The time by which a server may delay its response."""

    milliseconds: int
    least: int
    """The shortest time that the operation takes."""
    build: Callable[[int], Mapping[str, Any]]
    """Builds the request for another time."""
    added: str = ""
    """The end of its query that the generated code does not build."""


class Request(NamedTuple, Generic[T_co]):
    """One call of an operation, ready to be sent."""

    operation: Operation[T_co]
    endpoint_id: str
    http: HttpRequest
    job_id: str | None = None
    """The job that the response must be about, or None."""
    uncertain: str | None = None
    """The effect that a request without a response may have had, and what to do next; None if it queues a job."""
    long_poll: LongPoll | None = None

    @property
    def is_too_large(self) -> bool:
        """True if the body is above the operation's cap."""
        body = self.http.body
        return body is not None and len(body) > (self.operation.payload_cap or math.inf)

    @property
    def long_poll_ms(self) -> int | None:
        """Milliseconds by which the server may delay its response, or None if it does not wait."""
        return None if self.long_poll is None else self.long_poll.milliseconds

    def shortened_to(self, seconds: float) -> Request[T_co]:
        """Return the request for an attempt of the given length.

        A response that comes after the end of its attempt is lost, and with it the id of a new job or the chunks of a
        stream. After a pause, or a wait for the rate limit, an attempt may be shorter than the long poll.
        """
        poll = self.long_poll
        if poll is None or poll.milliseconds <= (seconds - _LONG_POLL_MARGIN) * 1000:
            return self
        long_poll_ms = max(poll.least, int((seconds - _SHORTENED_MARGIN) * 1000))
        if long_poll_ms >= poll.milliseconds:
            return self
        target = _target(poll.build(long_poll_ms)) + poll.added
        return self._replace(long_poll=poll._replace(milliseconds=long_poll_ms), http=evolve(self.http, target=target))


# Seconds for the network: the least that a long poll leaves of its attempt, and what a shortened one leaves.
_LONG_POLL_MARGIN = 0.05
_SHORTENED_MARGIN = 1.0


def describe(
    generated: GeneratedOperation[..., ModelT],
    kind: OperationKind,
    read: Reader[ModelT, T],
    *,
    returns_job: bool = False,
    may_be_empty: bool = False,
    note: Callable[[T], str] | None = None,
) -> Operation[T]:
    return Operation(
        name=operation_id(generated),
        kind=kind,
        read=read.read,
        returns_job=returns_job,
        may_be_empty=may_be_empty,
        note=note,
    )


def operation_id(generated: GeneratedOperation[..., object]) -> str:
    return generated.__name__.rpartition(".")[2]  # the generator names a module after its operationId


def with_query(request: Request[T], extra: ExtraQuery | None) -> Request[T]:
    """Return the request with query parameters that the specification does not know.

    Raises:
        ConfigurationError: The request has such a parameter already, or one cannot be sent.
    """
    if extra is None:
        return request
    check_type("extra_query", extra, Mapping, "a dict")
    if not extra:
        return request
    taken = sorted(extra.keys() & parse_qs(urlsplit(request.http.target).query).keys())
    if taken:
        raise ConfigurationError(f"extra_query= has a parameter that is sent already: {', '.join(taken)}.")

    target, poll = request.http.target, request.long_poll
    try:
        added = f"{'&' if '?' in target else '?'}{_query(extra)}"
    except (TypeError, UnicodeEncodeError) as error:  # a name that is not a string, or a lone surrogate
        raise ConfigurationError(f"extra_query= has a parameter that cannot be sent: {error}.") from None
    return request._replace(
        http=evolve(request.http, target=target + added),
        long_poll=None if poll is None else poll._replace(added=added),
    )


def build_request(
    operation: Operation[T_co],
    endpoint_id: str,
    kwargs: Mapping[str, Any],
    *,
    job_id: str | None = None,
    long_poll: LongPoll | None = None,
) -> Request[T_co]:
    _warn_of_deprecated_parts(operation.name, kwargs)
    content = kwargs.get(_JSON)
    http = HttpRequest(
        method=kwargs["method"].upper(),
        target=_target(kwargs),
        body=None if content is None else json.encode(content),
        headers=_headers(operation.name, kwargs),
    )
    return Request(operation=operation, endpoint_id=endpoint_id, http=http, job_id=job_id, long_poll=long_poll)


def _warn_of_deprecated_parts(name: str, kwargs: Mapping[str, Any]) -> None:
    if name in wire.DEPRECATED_OPERATIONS:
        _warn_of_deprecated(f"The operation {name}")
    for keys in wire.DEPRECATED_INPUTS.get(name, ()):
        if _has(kwargs, *keys):
            _warn_of_deprecated(f"{'.'.join(keys[1:])} of the operation {name}")


def _warn_of_deprecated(part: str) -> None:
    warn_caller(f"{part} is deprecated and will be removed from the API.", DeprecationWarning)


def _has(value: object, *keys: str) -> bool:
    """Return whether keys lead to a value, or do in an item of a list."""
    if isinstance(value, list):
        return any(_has(item, *keys) for item in cast("list[object]", value))
    if not keys or not isinstance(value, Mapping):
        return not keys
    members = cast("Mapping[str, object]", value)
    return keys[0] in members and _has(members[keys[0]], *keys[1:])


# The parts of a request that the generated code builds, and that are sent. Any other part is refused.
_JSON = "json"
_WITHOUT_HEADERS = frozenset({"method", "url", "params"})
_SENT = _WITHOUT_HEADERS | {_JSON, "headers", "cookies"}
_JSON_TYPE = "application/json"
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")


def _headers(name: str, kwargs: Mapping[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that the generated code builds, beyond the type of a JSON body, which each body has."""
    if kwargs.keys() <= _WITHOUT_HEADERS:
        return ()
    given: dict[str, object] = dict(kwargs.get("headers") or {})
    body_type = str(given.pop("Content-Type", _JSON_TYPE))
    unsent = sorted(kwargs.keys() - _SENT) or ([] if body_type == _JSON_TYPE else [body_type])
    if unsent:
        raise ConfigurationError(f"{name} has a part that this client cannot send: {', '.join(unsent)}.")
    if cookies := kwargs.get("cookies"):
        given["Cookie"] = "; ".join(f"{key}={value}" for key, value in cookies.items())
    return tuple(_header(name, key, str(value)) for key, value in given.items()) if given else ()


def _header(name: str, key: str, value: str) -> tuple[bytes, bytes]:
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigurationError(f"The header {key} of {name} has a character that a header cannot hold.")
    return key.encode(), value.encode()


def with_credentials(body: object, request: Request[T_co]) -> Request[T_co]:
    """Return the request with the storage credentials in its body, to be cut from errors."""
    if body is UNSET:
        return request
    credentials = tuple(_credentials(body))
    return request._replace(http=evolve(request.http, credentials=credentials)) if credentials else request


def _credentials(value: object) -> Iterator[Secret]:
    if isinstance(value, models.S3Config):
        yield from (Secret(str(value.access_id)), Secret(str(value.access_secret)))
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _credentials(item)
    elif has(kind := type(value)):
        for attribute in fields(kind):
            yield from _credentials(getattr(value, attribute.name))


def long_polled(
    operation: Operation[T_co],
    endpoint_id: str,
    build: Callable[[int], Mapping[str, Any]],
    long_poll_ms: int,
    bounds: tuple[int, int],
    *,
    job_id: str | None = None,
) -> Request[T_co]:
    least, most = bounds
    long_poll_ms = min(max(least, long_poll_ms), most)
    long_poll = LongPoll(long_poll_ms, least, build)
    return build_request(operation, endpoint_id, build(long_poll_ms), job_id=job_id, long_poll=long_poll)


def _target(kwargs: Mapping[str, Any]) -> str:
    target: str = kwargs["url"]
    query: Mapping[str, Any] = kwargs.get("params") or {}
    return f"{target}?{_query(query)}" if query else target


def _query(parameters: Mapping[str, Any]) -> str:
    """Return parameters as a query: booleans as in JSON, an array as one parameter for each item."""
    pairs = list[str]()
    for name, value in parameters.items():
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        pairs += [f"{_quoted_name(name)}={_quoted(item)}" for item in items]
    return "&".join(pairs)


def _quoted(item: object) -> str:
    if type(item) is int:
        return str(item)
    return quote_plus(str(item).lower() if isinstance(item, bool) else str(item))


_quoted_name = lru_cache(quote_plus)
