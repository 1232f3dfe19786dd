# The client: connections, and how calls are made.
"""The client: it owns the connections, and says how calls are made."""

# The type variables of `endpoint` have defaults: one that no argument solves is Any.
# pyright: reportInvalidTypeVarUse=false

from __future__ import annotations

from types import TracebackType
from typing import Any, ParamSpec, Self, overload

import httpx
from typing_extensions import TypeForm, TypeVar

from runpod_typed._async.endpoint import AsyncEndpoint
from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._codecs.codec import UNTYPED, Codec
from runpod_typed._core.config import DEFAULT_TIMEOUT, CallConfig
from runpod_typed._core.operations import GeneratedOperation, generated_request, oversize_error
from runpod_typed._models.durations import Duration
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.secret import hidden
from runpod_typed._models.validators import check_http_client
from runpod_typed._transport.connection import (
    DEFAULT_MAX_RESPONSE_BYTES,
    ConnectionConfig,
    resolve_api_key,
    resolve_base_url,
)

P = ParamSpec("P")
ModelT = TypeVar("ModelT")
InT = TypeVar("InT", default=Any)
OutT = TypeVar("OutT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)


class AsyncClient:
    """Calls Runpod's queue-based serverless endpoints. One client serves a whole program.

    It is safe to share between tasks and between threads, and survives a fork. Close it, or use it as a context
    manager.

    Source: the vendor's documents, "Operation reference" and "Send requests".

    Args:
        api_key: The API key; the environment's ``RUNPOD_API_KEY`` where it is None. It shows in no repr, log, error or
            pickle.
        base_url: Where the API lives; the environment's ``RUNPOD_ENDPOINT_BASE_URL`` where it is None, and else
            ``https://api.runpod.ai/v2``.
        timeout: Seconds (or a timedelta) that one HTTP attempt may last, above 0. Connecting may take 5 s of it.
        retry: How often, how long and when a call that failed is made again.
        poll: How to look for a job's end.
        rate_limits: How many requests may be sent; the platform's published limits by default.
        http_client: An ``httpx.AsyncClient`` of the caller's own (a proxy, certificates, another transport); it is used
            through its ``send()`` and not closed.
        max_response_bytes: Bytes that a response's body may have, 1 or more. By default 21 MiB: Runpod's cap on a
            result, and 1 MiB for the rest.
        pickle_api_key: Whether pickles of the client and of its jobs hold the key, and are as secret as it is. By
            default they do not, and their copies ask the environment at their next request.

    Raises:
        ConfigurationError: There is no key, or a value cannot be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Duration = DEFAULT_TIMEOUT,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
        poll: PollPolicy = PollPolicy(),  # noqa: B008 -- frozen
        rate_limits: RateLimits = RateLimits(),  # noqa: B008 -- frozen
        http_client: httpx.AsyncClient | None = None,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        pickle_api_key: bool = False,
    ) -> None:
        key, url = hidden(api_key), hidden(base_url)
        del api_key, base_url  # a traceback may show local variables
        check_http_client(http_client, httpx.AsyncClient)
        connection = ConnectionConfig(
            api_key=resolve_api_key(key, pickled=pickle_api_key),
            base_url=resolve_base_url(url),
            max_response_bytes=max_response_bytes,
        )
        self._config = CallConfig(timeout=timeout, retry=retry, poll=poll, rate_limits=rate_limits)
        self._config.warn_of_long_timeout()
        self._executor = AsyncRequestExecutor(connection, http_client)
        self._owns_connections = True

    def __repr__(self) -> str:
        where = repr(self.base_url) if "_executor" in vars(self) else "?"  # one that could not be made may be shown too
        return f"{type(self).__name__}(base_url={where})"

    @property
    def base_url(self) -> str:
        """Where the API lives."""
        return str(self._executor.connection.base_url)

    def with_options(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> Self:
        """A copy with other options; it shares the connections, and closing it does nothing.

        Args:
            timeout: Seconds (or a timedelta) that one HTTP attempt may last, above 0; None keeps it, and so on.
            retry: How often, how long and when a call that failed is made again.
            poll: How to look for a job's end.
            rate_limits: How many requests may be sent.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        copy = object.__new__(type(self))
        copy._config = self._config.replace(timeout=timeout, retry=retry, poll=poll, rate_limits=rate_limits)
        copy._executor = self._executor
        copy._owns_connections = False
        return copy

    # Types alone, then one Codec, then several: where a Codec may stand, mypy takes a bare `A | B` for a value.
    @overload
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: TypeForm[InT] = ...,
        output_type: TypeForm[OutT] = ...,
        chunk_type: TypeForm[ChunkT] = ...,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: Codec[InT],
        output_type: TypeForm[OutT] = ...,
        chunk_type: TypeForm[ChunkT] = ...,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: TypeForm[InT] = ...,
        output_type: Codec[OutT],
        chunk_type: TypeForm[ChunkT] = ...,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: TypeForm[InT] = ...,
        output_type: TypeForm[OutT] = ...,
        chunk_type: Codec[ChunkT],
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: TypeForm[InT] | Codec[InT] = ...,
        output_type: TypeForm[OutT] | Codec[OutT] = ...,
        chunk_type: TypeForm[ChunkT] | Codec[ChunkT] = ...,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    def endpoint(
        self,
        endpoint_id: str | None,
        *,
        input_type: Any = UNTYPED,
        output_type: Any = UNTYPED,
        chunk_type: Any = UNTYPED,
    ) -> AsyncEndpoint[Any, Any, Any]:
        """An endpoint, and the types of what goes in and comes out.

        Args:
            endpoint_id: The endpoint's id, or a public endpoint's name.
            input_type: The type of inputs: a dataclass, attrs class, TypedDict, Struct, pydantic model, a container of
                these, or a `Codec`; any JSON where it is left out.
            output_type: The type of outputs, likewise.
            chunk_type: The type of what a streaming handler yields, likewise.

        Raises:
            ConfigurationError: The id cannot be one, or nothing here can handle a type.
        """
        return AsyncEndpoint(
            endpoint_id, client=self, input_type=input_type, output_type=output_type, chunk_type=chunk_type
        )

    async def call(self, operation: GeneratedOperation[P, ModelT], /, *args: P.args, **kwargs: P.kwargs) -> ModelT:
        """Call any operation of the API, also one that this package has no method for, and return its generated model.

        Retries, rate limits and errors are those of the client: ``with_options()`` changes them. Only GET, PUT and
        DELETE are repeated once they may have taken effect.

        Example:
            ``batch = await client.call(create_batch, "my-endpoint", body=[RunRequest(input_={"prompt": "Hello"})])``

        Args:
            operation: A module of ``runpod_queue_api.api``, such as ``runpod_queue_api.api.batch.create_batch``.
            args: What its functions take, without ``client=``.
            kwargs: The same.

        Raises:
            APIError: The call failed for good.
            APIResponseValidationError: The response does not fit the specification.
            ConfigurationError: The request cannot be sent, or the client is closed or has no key.
        """
        request = generated_request(operation, *args, **kwargs)
        error = oversize_error(request)
        if error is not None:
            raise error
        return await self._executor.call(request, self._config)

    async def aclose(self) -> None:
        """Close the connections; a second call does nothing."""
        if self._owns_connections:
            await self._executor.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
