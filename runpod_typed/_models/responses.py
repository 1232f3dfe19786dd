"""Reading decoded JSON, by way of the generated models, into the classes that people see.

The generated models take any value; the checks are here, once. Readers declare the types of the models' fields, so that
a type checker points at each reader of a field that changes in the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Generic, Literal, ParamSpec, Protocol, Self, assert_never, assert_type, cast, final

from attrs import frozen
from runpod_queue_api import models, webhooks, wire
from runpod_queue_api.types import UNSET, Unset
from typing_extensions import TypeVar

from runpod_typed._codecs.json import JSONText, decode_leaving, encode, encode_as_decoded, kind_of
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed._models.stream import StreamChunk, StreamPage


class ValidationError(ValueError):
    """A response is JSON, and not what the specification says."""


class Model(Protocol):
    """The methods that all generated models have."""

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any], /) -> Self:
        """Return the model of decoded JSON, or raise KeyError, TypeError and the like if it does not fit."""
        ...


P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ModelT = TypeVar("ModelT", bound=Model)
ModelT_contra = TypeVar("ModelT_contra", contravariant=True)


@frozen
class Reader(Generic[ModelT_contra, T_co]):
    """Reads decoded JSON into a class of ours, by way of a generated model.

    The model is part of the type, so that a type checker compares it with what an operation responds with.
    """

    read: Callable[[object], T_co]

    def __call__(self, data: object) -> T_co:
        """Return what the JSON says, or raise ValidationError."""
        return self.read(data)


def reads(model: type[ModelT], *opaque: str) -> Callable[[Callable[[ModelT, Mapping[str, Any]], T]], Reader[ModelT, T]]:
    """Make a reader of a function that is given the model and the JSON object that it was parsed from.

    Args:
        model: The generated model.
        opaque: The fields whose values are any JSON: the model gets none of them, and its type does not count.
    """

    def make(convert: Callable[[ModelT, Mapping[str, Any]], T]) -> Reader[ModelT, T]:
        def read(data: object) -> T:
            raw = as_object(data, "the response")
            return convert(parse(model, raw, *opaque), raw)

        return Reader(read)

    return make


def parse(model: type[ModelT], raw: Mapping[str, Any], *opaque: str) -> ModelT:
    """Return the generated model of a JSON object. A null is read like an absent field.

    Raises:
        ValidationError: It does not fit the model.
    """
    present = {name: UNSET if name in opaque else item for name, item in raw.items() if item is not None}
    return checked(model.from_dict, present)


def checked(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a reader of the generated code, which iterates and unpacks without checks.

    Raises:
        ValidationError: The reader raised what it raises for JSON that does not fit.
    """
    try:
        return read(*args, **kwargs)
    except KeyError as error:
        raise ValidationError(f"the field {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ValidationError(f"a field has the wrong kind of value ({error})") from error
    except RecursionError:
        raise ValidationError("a field is nested too deeply") from None


def without_nulls(value: object, *opaque: str) -> Any:
    """Return JSON without the nulls of its objects, which stand for absent fields; opaque fields keep theirs."""
    if isinstance(value, list):
        return [without_nulls(item, *opaque) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value).items()
    return {name: item if name in opaque else without_nulls(item, *opaque) for name, item in fields if item is not None}


def as_object(value: object, what: str) -> Mapping[str, Any]:
    """Return the value, which must be a JSON object."""
    if type(value) is dict:  # mostly, and that is seen much faster
        return value  # pyright: ignore[reportUnknownVariableType] -- of any JSON
    if not isinstance(value, Mapping):
        raise ValidationError(f"{what} must be an object, and is {kind_of(value)}")
    return cast("Mapping[str, Any]", value)


def as_array(value: object, what: str) -> list[object]:
    """Return the value, which must be an array; an empty one if it is absent or null."""
    if value is None or isinstance(value, Unset):
        return []
    if not isinstance(value, list):
        raise ValidationError(f"{what} must be an array, and is {kind_of(value)}")
    return cast("list[object]", value)


def as_string(value: str, what: str) -> str:
    """Return the value, which must be a string that is not empty."""
    came = cast("object", value)  # the models check nothing
    if not isinstance(came, str) or not came:
        raise ValidationError(f"{what} must be a string that is not empty, and is {kind_of(came)}")
    if not (came.isascii() or is_sendable(came)):
        raise ValidationError(f"{what} has a lone surrogate, which cannot be sent back")
    return came


def is_sendable(text: str) -> bool:
    """Return whether a string can be encoded as UTF-8: JSON may bring lone surrogates, and Python may hold them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_optional_string(value: str | Unset | None, what: str) -> str | None:
    """Return the value, a string, or None if it is absent or null."""
    if value is None or isinstance(value, Unset):
        return None
    came = cast("object", value)  # the models check nothing
    if not isinstance(came, str):
        raise ValidationError(f"{what} must be a string, and is {kind_of(came)}")
    return came


def as_int(value: int, what: str) -> int:
    """Return the value, a whole number; a fraction is dropped."""
    came = cast("object", value)  # the models check nothing
    if isinstance(came, bool) or not isinstance(came, int | float):
        raise ValidationError(f"{what} must be a number, and is {kind_of(came)}")
    try:
        return int(came)
    except (ValueError, OverflowError) as error:  # NaN, Infinity
        raise ValidationError(f"{what} must be a finite number") from error


def as_optional_int(value: int | Unset | None, what: str) -> int | None:
    """Return the value, a whole number, or None if it is absent or null."""
    if value is None or isinstance(value, Unset):
        return None
    return value if type(value) is int else as_int(value, what)


def as_count(value: int | Unset | None, what: str) -> int:
    """Return the value, a whole number, or 0 if it is absent or null."""
    return as_optional_int(value, what) or 0


def as_error(value: models.ErrorObject | list[Any] | str | Unset) -> Any:
    """Return the value as JSON, or None if it is absent."""
    if isinstance(value, Unset):
        return None
    return value.to_dict() if isinstance(value, models.ErrorObject) else value


def without_items(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object with an empty list: a model would refuse all its items for a null in one of them."""
    return raw if raw.get(key) is None else {**raw, key: []}


@final
@frozen(repr=False, eq=False)  # a Mapping compares by its content
class ReadOnlyJSON(Mapping[str, Any]):
    """A JSON object that can be read, compared and pickled, and not changed."""

    _data: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        value = self._data[key]
        return value.shown if isinstance(value, JSONText) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return repr(self.copy())

    def copy(self) -> dict[str, Any]:
        """Return a plain dict with the same content."""
        return dict(self)

    def encode(self) -> bytes:
        """Return the object as JSON in UTF-8."""
        texts = {key: item.text for key, item in self._data.items() if isinstance(item, JSONText)}
        # A body without text may have been decoded leniently.
        return encode(self._data | texts) if texts else encode_as_decoded(self._data)


def read_only(value: Mapping[str, Any]) -> ReadOnlyJSON:
    """Return a read-only view of the object, which is copied one level deep."""
    return value if type(value) is ReadOnlyJSON else ReadOnlyJSON(dict(value))


MAX_WEBHOOK_BYTES = 2 * max(wire.PAYLOAD_CAPS.values()) + 2**20
"""The largest body that the platform posts to a webhook: an input and an output of the largest size, and the rest."""


def read_status(value: models.KnownJobStatus | str) -> JobStatus:
    """Return the status of a generated model; an unknown one is kept as it came."""
    if isinstance(value, models.KnownJobStatus):
        return _STATUSES[value]
    return JobStatus(as_string(value, "the status"))


# One case for each status, so that a type checker points here when the specification gains one.
def _known_status(known: models.KnownJobStatus) -> JobStatus:
    match known:
        case models.KnownJobStatus.IN_QUEUE:
            return JobStatus.IN_QUEUE
        case models.KnownJobStatus.IN_PROGRESS:
            return JobStatus.IN_PROGRESS
        case models.KnownJobStatus.RUNNING:
            return JobStatus.RUNNING
        case models.KnownJobStatus.COMPLETED:
            return JobStatus.COMPLETED
        case models.KnownJobStatus.FAILED:
            return JobStatus.FAILED
        case models.KnownJobStatus.CANCELLED:
            return JobStatus.CANCELLED
        case models.KnownJobStatus.TIMED_OUT:
            return JobStatus.TIMED_OUT
        case _:
            assert_never(known)


_STATUSES: Final = {known: _known_status(known) for known in models.KnownJobStatus}


assert_type(wire.DELAY_TIME_UNIT, Literal["milliseconds"])
assert_type(wire.EXECUTION_TIME_UNIT, Literal["milliseconds"])


@reads(models.Job, wire.JOB_OUTPUT_KEY)
def read_job(job: models.Job, raw: Mapping[str, Any]) -> JobState[Any]:
    """Return a job, its output as it came."""
    status = read_status(job.status)
    finished = status.is_terminal
    output = raw.get(wire.JOB_OUTPUT_KEY)
    read: JobState[Any] = JobState(
        id=as_string(job.id, "the job's id"),
        status=status,
        # Until the job is finished, the output is its progress.
        output=output if finished else None,
        progress=None if finished else output.shown if isinstance(output, JSONText) else output,
        error=as_error(job.error),
        delay_time_ms=as_optional_int(job.delay_time, "the delay time"),
        execution_time_ms=as_optional_int(job.execution_time, "the execution time"),
        retries=as_optional_int(job.retries, "the number of retries") or 0,
        worker_id=as_optional_string(job.worker_id, "the worker's id"),
        raw=read_only(raw),
    )
    return read


read_webhook: Reader[webhooks.JobFinished, JobState[Any]] = read_job


def encode_job(state: JobState[Any]) -> bytes:
    """Return the job as JSON in UTF-8, as it came."""
    return read_only(state.raw).encode()


decode_job = partial(decode_leaving, name=wire.JOB_OUTPUT_KEY)
"""Decodes a body that describes a job, and leaves the output as JSON text for its codec."""


@reads(models.StreamChunk, wire.CHUNK_OUTPUT_KEY)
def read_chunk(chunk: models.StreamChunk, raw: Mapping[str, Any]) -> StreamChunk[Any]:
    """Return one chunk, its output as it came."""
    metrics = chunk.metrics
    read: StreamChunk[Any] = StreamChunk(
        output=raw.get(wire.CHUNK_OUTPUT_KEY),
        metrics=None if isinstance(metrics, Unset) else read_only(metrics.to_dict()),
        raw=read_only(raw),
    )
    return read


def _read_stream_page(data: object) -> StreamPage:
    """Return one response of a stream, in either of its known forms."""
    if isinstance(data, list):  # the documents' example; the platform responds with an object
        return StreamPage(status=None, chunks=_chunks(UNSET, cast("object", data)))
    raw = as_object(data, "the response")
    page = parse(models.StreamAnswer, without_items(raw, wire.STREAM_CHUNKS_KEY))
    status = None if isinstance(page.status, Unset) else read_status(page.status)
    return StreamPage(status=status, chunks=_chunks(page.stream, raw.get(wire.STREAM_CHUNKS_KEY)))


# The field of the model is there for its type alone.
def _chunks(_field: list[models.StreamChunk] | Unset, items: object) -> tuple[StreamChunk[Any], ...]:
    return tuple(read_chunk(item) for item in as_array(items, "the chunks"))


read_stream_page = Reader[models.StreamAnswer | list[models.StreamChunk], StreamPage](_read_stream_page)
