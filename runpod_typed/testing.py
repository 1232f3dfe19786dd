"""For tests of code that runs jobs: the types of the pytest fixtures, and recorded exchanges.

The fixtures `runpod_queue`, `runpod_endpoint` and `async_runpod_endpoint` come with the package, and need its extra
`local`. `record` and `replay` need neither pytest nor the extra.
"""

# The type variables have defaults: one that no argument solves is Any.
# pyright: reportInvalidTypeVarUse=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, overload

from typing_extensions import TypeForm, TypeVar, Unpack

from runpod_typed._recordings import Recording, ReplayError, record, replay

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_typed import AsyncEndpoint, Codec, Endpoint
    from runpod_typed.local import Faults, Handler, HandlerConfig, LocalQueue
    from runpod_typed.local._server.rate_limits import Limits

__all__ = [
    "AsyncEndpointFactory",
    "EndpointFactory",
    "QueueFactory",
    "QueueOptions",
    "Recording",
    "ReplayError",
    "record",
    "replay",
]

InT = TypeVar("InT", default=Any)
OutT = TypeVar("OutT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)


class QueueOptions(TypedDict, total=False):
    """The options of `LocalQueue` that the fixtures take."""

    worker: Sequence[str]
    """The command of a real worker, in place of a handler."""
    workers: int
    """The number of workers."""
    endpoint_id: str
    """The endpoint's id; ``local`` by default."""
    api_key: str
    """The key that clients must send; a random one by default."""
    host: str
    """The address to listen on."""
    port: int
    """The port to listen on; a free one by default."""
    limits: Limits
    """The rate limits that the queue enforces."""
    time_scale: float
    """Factor for the queue's times."""
    faults: Faults
    """Random faults to inject."""
    auto_advance: bool
    """True if the queue's clock jumps to the next deadline while everything waits."""
    persist: str | Path | None
    """A file that keeps jobs and batches over a restart."""
    page: bool
    """True if `LocalQueue.page_url` shows the queue in a browser."""
    on_worker_output: Callable[[str, str], object] | None
    """Called with a worker's id and each line that its process writes."""


class QueueFactory(Protocol):
    """The fixture `runpod_queue`."""

    def __call__(self, handler: Handler | HandlerConfig | None = None, **options: Unpack[QueueOptions]) -> LocalQueue:
        """Return a started queue. It is stopped when the test is over.

        Example:
            ``queue = runpod_queue(lambda job: job["input"])``
        """
        ...


class EndpointFactory(Protocol):
    """The fixture `runpod_endpoint`."""

    @overload
    def __call__(
        self,
        handler: Handler | HandlerConfig | None = None,
        *,
        queue: LocalQueue | None = None,
        input_type: type[InT] = ...,
        output_type: type[OutT] = ...,
        chunk_type: type[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
        **options: Unpack[QueueOptions],
    ) -> Endpoint[InT, OutT, ChunkT]: ...
    @overload
    def __call__(
        self,
        handler: Handler | HandlerConfig | None = None,
        *,
        queue: LocalQueue | None = None,
        input_type: TypeForm[InT] = ...,
        output_type: TypeForm[OutT] = ...,
        chunk_type: TypeForm[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
        **options: Unpack[QueueOptions],
    ) -> Endpoint[InT, OutT, ChunkT]: ...
    def __call__(
        self, handler: Handler | HandlerConfig | None = None, *, queue: LocalQueue | None = None, **options: Any
    ) -> Endpoint[Any, Any, Any]:
        """Return an endpoint of a queue that runs the handler, or of the given queue.

        Types and codecs are those of `Client.endpoint`.

        Example:
            ``endpoint = runpod_endpoint(handler, output_type=Caption)``

        Raises:
            TypeError: A handler or an option of a queue is given beside `queue`.
        """
        ...


class AsyncEndpointFactory(Protocol):
    """The fixture `async_runpod_endpoint`."""

    @overload
    def __call__(
        self,
        handler: Handler | HandlerConfig | None = None,
        *,
        queue: LocalQueue | None = None,
        input_type: type[InT] = ...,
        output_type: type[OutT] = ...,
        chunk_type: type[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
        **options: Unpack[QueueOptions],
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def __call__(
        self,
        handler: Handler | HandlerConfig | None = None,
        *,
        queue: LocalQueue | None = None,
        input_type: TypeForm[InT] = ...,
        output_type: TypeForm[OutT] = ...,
        chunk_type: TypeForm[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
        **options: Unpack[QueueOptions],
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    def __call__(
        self, handler: Handler | HandlerConfig | None = None, *, queue: LocalQueue | None = None, **options: Any
    ) -> AsyncEndpoint[Any, Any, Any]:
        """Return an endpoint of a queue that runs the handler, or of the given queue.

        Types and codecs are those of `AsyncClient.endpoint`.

        Example:
            ``endpoint = async_runpod_endpoint(handler, output_type=Caption)``

        Raises:
            TypeError: A handler or an option of a queue is given beside `queue`.
        """
        ...
