"""Batches: requests divided among calls, pages that shift, and errors that name the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast, final

from attrs import define, evolve, field, frozen
from runpod_queue_api import models, wire
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._codecs.codec import Codec
from runpod_typed._core.job_record import add_to_message
from runpod_typed._core.retries import Failure
from runpod_typed._models.batches import Batch, BatchResult, Page
from runpod_typed._models.jobs import with_typed_output
from runpod_typed._models.responses import ValidationError
from runpod_typed._models.validators import check_id
from runpod_typed.errors import (
    APIError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    InputError,
    NotFoundError,
    RunpodError,
)

OutT = TypeVar("OutT")

MAX_REQUESTS: Final = wire.BATCH_MAX_REQUESTS
"""Requests that a batch may have."""
_CALL_BYTES: Final = wire.BATCH_APPEND_MAX_BYTES
_BRACKETS: Final = len(json.encode(models.BatchAppend(requests=[]).to_dict()))


# Results


def typed_result(result: BatchResult[Any], codec: Codec[OutT]) -> BatchResult[OutT]:
    """Return the result with its output in the caller's type. The output is decoded when it is first used."""
    return cast("BatchResult[OutT]", with_typed_output(result, codec))


def filled_draft(batch: Batch, requests: int, name: str | None) -> Batch:
    """Return a new draft with what was sent, which the response to its creation leaves out."""
    return evolve(batch, request_total=batch.request_total or requests, name=name or batch.name, is_counted=True)


# Pages


@define
class PageReader:
    """Reads the pages of a list that may change meanwhile: each request once."""

    limit: int
    """The number of requests to ask for at a time."""
    offset: int = wire.PAGE_OFFSET_MIN
    """The offset of the next page."""
    complete: bool = False
    """True if there is no further page."""
    _seen: set[str] = field(factory=set[str])

    def __attrs_post_init__(self) -> None:
        given = cast("object", self.limit)  # callers without a type checker may pass anything
        if isinstance(given, bool) or not isinstance(given, int) or given < wire.PAGE_LIMIT_MIN:
            least = wire.PAGE_LIMIT_MIN
            raise ConfigurationError(f"page_size= must be a whole number of {least} or more, not {self.limit!r}.")

    def take(self, page: Page) -> Sequence[BatchResult[Any]]:
        """Return the results of a page that no earlier page had.

        Raises:
            ValidationError: The server says that there is more, and does not send it.
        """
        new = [result for result in page.results if result.id not in self._seen]
        offset = self.offset + len(page.results)
        more = page.has_more
        if more is None:
            more = bool(new) if page.total is None else offset < page.total
        if more and not new:
            raise ValidationError(f"a page without anything new at offset {self.offset}, though more is said to follow")
        self._seen.update(result.id for result in new)
        self.offset = offset
        self.complete = not more
        return new


# Errors


@final
class BatchErrors:
    """Add the batch to each exception that leaves the block, and what to do next."""

    def __init__(self, endpoint_id: str, batch_id: str) -> None:
        self._endpoint_id = endpoint_id
        self._batch_id = batch_id
        self._advice = ""

    def advise(self, advice: str) -> None:
        """Set a sentence to add, without its full stop."""
        self._advice = advice

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        advice = [self._advice] if self._advice else []
        if isinstance(error, RunpodError):
            error.batch_id, error.endpoint_id = self._batch_id, self._endpoint_id
        if isinstance(error, NotFoundError):
            advice.append(f"Batch {self._batch_id} may not exist, or may be another endpoint's")
        elif isinstance(error, BadRequestError | ConflictError):
            advice.append(f"endpoint.batches.get({self._batch_id!r}) shows the status of the batch")
        elif not isinstance(error, RunpodError):
            advice.append(f"The batch is {self._batch_id} of endpoint {self._endpoint_id}")
        if advice:
            add_to_message(error, ". ".join(advice) + ".")


def may_be_done(errors: Sequence[APIError]) -> bool:
    """Return whether an attempt before the last may have taken effect, given the errors of all attempts."""
    return any(Failure.of(error).may_have_taken_effect for error in errors[:-1])


# Requests


def as_batch_id(batch: Batch | str) -> str:
    """Return the id of a batch.

    Raises:
        ConfigurationError: The id is invalid.
    """
    return check_id(batch.id if isinstance(batch, Batch) else batch, "batch")


def build_bodies(inputs: Iterable[Any], build: Callable[[Any], models.RunRequest]) -> list[list[models.RunRequest]]:
    """Return the requests of each call that the inputs need.

    Raises:
        InputError: An input cannot be sent, or there are too many.
    """
    kind: type = type(inputs)
    if issubclass(kind, str | bytes | Mapping) or not issubclass(kind, Iterable):
        raise InputError(f"The inputs must be an iterable of inputs, not one {kind.__name__}. Nothing was sent.")
    requests = list[SizedRequest]()
    for index, value in enumerate(inputs):
        if index == MAX_REQUESTS:
            raise InputError(
                f"A batch takes at most {MAX_REQUESTS:,} requests, and there are more inputs. Nothing was sent. "
                "endpoint.batches.run() makes as many batches as it needs."
            )
        try:
            requests.append(SizedRequest.of(build(value)))
        except InputError as error:
            add_to_message(error, f"It is the input at index {index}.")
            raise
    return [group.bodies for group in divide(requests)]


@frozen
class SizedRequest:
    """A request of a batch, and its size in bytes on the wire."""

    body: models.RunRequest
    size: int

    @classmethod
    def of(cls, body: models.RunRequest) -> SizedRequest:
        """Measure a request.

        Raises:
            InputError: It is larger than a call may be.
        """
        size = len(json.encode(body.to_dict()))
        if size + _BRACKETS > _CALL_BYTES:
            raise InputError(
                f"The input makes a request of {size / 2**20:.1f} MiB, and a call takes {_CALL_BYTES / 2**20:.0f} MiB. "
                "Nothing was sent. Put large data into storage and send its URL."
            )
        return cls(body, size)


@define
class RequestGroup:
    """Requests that one call can carry."""

    bodies: list[models.RunRequest] = field(factory=list["models.RunRequest"])
    size: int = _BRACKETS

    def takes(self, request: SizedRequest) -> bool:
        """Add a request, or return False if the call would become too large."""
        size = self.size + request.size + bool(self.bodies)  # and a comma
        if size > _CALL_BYTES:
            return False
        self.bodies.append(request.body)
        self.size = size
        return True


def divide(requests: Iterable[SizedRequest]) -> Iterator[RequestGroup]:
    """Yield the requests of each call, in order: as few calls as the cap allows, and at least one."""
    group = RequestGroup()
    for request in requests:
        if not group.takes(request):
            yield group
            group = RequestGroup()
            group.takes(request)
    yield group
