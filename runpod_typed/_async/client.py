# The client: connections, and how calls are made.
"""The client: connections, and the options of calls."""

# The type variables of `endpoint` have defaults: one that no argument solves is Any.
# pyright: reportInvalidTypeVarUse=false

from __future__ import annotations

from typing import Any, ParamSpec, overload

from runpod_queue_api import lazy_httpx as httpx
from typing_extensions import TypeForm, TypeVar

from runpod_typed._async.endpoint import AsyncEndpoint
from runpod_typed._async.executor import AsyncConnectionOwner, AsyncRequestExecutor
from runpod_typed._codecs.codec import UNTYPED, Codec
from runpod_typed._core.config import DEFAULT_TIMEOUT, CallConfig
from runpod_typed._core.operations import generated_request
from runpod_typed._core.requests import GeneratedOperation
from runpod_typed._models.durations import Duration
from runpod_typed._models.hooks import Hooks
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.secret import hidden
from runpod_typed._models.validators import check_http_client, check_type
from runpod_typed._transport.connection import (
    DEFAULT_MAX_RESPONSE_BYTES,
    ConnectionConfig,
    resolve_api_key,
    resolve_base_url,
)
from runpod_typed._transport.profiles import with_profile

P = ParamSpec("P")
ModelT = TypeVar("ModelT")
InT = TypeVar("InT", default=Any)
OutT = TypeVar("OutT", default=Any)
ChunkT = TypeVar("ChunkT", default=Any)


class AsyncClient(AsyncConnectionOwner):
    """Connections to Runpod's queue-based serverless endpoints. One client serves a whole program.

    It can be shared between tasks and threads, and survives a fork. Close it, or use it as a context manager.

    Example:
        ::

            async with AsyncClient() as client:
                output = await client.endpoint("my-endpoint").run_sync({"prompt": "a lighthouse"}, timeout=60)

    Args:
        api_key: The API key; the default is the environment's ``RUNPOD_API_KEY``. It never appears in a repr, log,
            error message or pickle.
        base_url: The URL of the API; the default is the environment's ``RUNPOD_ENDPOINT_BASE_URL``, and else
            ``https://api.runpod.ai/v2``.
        timeout: Seconds (or a timedelta) that one HTTP attempt may last, above 0. Connecting may take 5 s of it.
        retry: Which failed calls are repeated, how often and for how long.
        poll: Polling settings.
        rate_limits: The rate limits that the client keeps; Runpod's published limits by default.
        http_client: An ``httpx.AsyncClient`` of your own (a proxy, certificates, another transport). It is used through
            its ``send()`` and not closed.
        max_response_bytes: Bytes that a response's body may have, 1 or more. By default 21 MiB: Runpod's cap on a
            result, and 1 MiB for the rest.
        pickle_api_key: Whether pickles of the client and of its jobs hold the key. By default they do not, and a copy
            reads it from the environment at its next request.
        profile: The name of a table of ``~/.config/runpod-typed/config.toml`` with an ``api_key``, and perhaps a
            ``base_url``. It takes the place of the environment.
        hooks: Functions to call for requests, responses, retries and finished jobs. Pickles do not hold them.

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
        profile: str | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        key, url = with_profile(profile, hidden(api_key), hidden(base_url))
        del api_key, base_url  # a traceback may show local variables
        if http_client is not None:
            check_http_client(http_client, httpx.AsyncClient)
        check_type("hooks", hooks, Hooks, "Hooks(...)")
        connection = ConnectionConfig(
            api_key=resolve_api_key(key, pickled=pickle_api_key),
            base_url=resolve_base_url(url),
            max_response_bytes=max_response_bytes,
        )
        self._config = CallConfig(timeout=timeout, retry=retry, poll=poll, rate_limits=rate_limits)
        self._config.warn_of_long_timeout()
        self._executor = self._owned = AsyncRequestExecutor(connection, http_client, hooks)

    def __repr__(self) -> str:
        where = repr(self.base_url) if "_executor" in vars(self) else "?"  # a failed constructor may show it
        return f"{type(self).__name__}(base_url={where})"

    @property
    def base_url(self) -> str:
        """The URL of the API."""
        return str(self._executor.connection.base_url)

    # Two overloads: a class, which all type checkers know, and what only those with TypeForm do (`A | B`, `Literal`).
    @overload
    def endpoint(
        self,
        endpoint_id: str,
        *,
        input_type: type[InT] = ...,
        output_type: type[OutT] = ...,
        chunk_type: type[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    @overload
    def endpoint(
        self,
        endpoint_id: str,
        *,
        input_type: TypeForm[InT] = ...,
        output_type: TypeForm[OutT] = ...,
        chunk_type: TypeForm[ChunkT] = ...,
        input_codec: Codec[InT] | None = None,
        output_codec: Codec[OutT] | None = None,
        chunk_codec: Codec[ChunkT] | None = None,
    ) -> AsyncEndpoint[InT, OutT, ChunkT]: ...
    def endpoint(
        self,
        endpoint_id: str,
        *,
        input_type: Any = UNTYPED,
        output_type: Any = UNTYPED,
        chunk_type: Any = UNTYPED,
        input_codec: Codec[Any] | None = None,
        output_codec: Codec[Any] | None = None,
        chunk_codec: Codec[Any] | None = None,
    ) -> AsyncEndpoint[Any, Any, Any]:
        """Return an endpoint, typed by its inputs, outputs and chunks. Nothing is sent.

        Example:
            ``endpoint = client.endpoint("my-endpoint", input_type=Prompt, output_type=Image)``

        Args:
            endpoint_id: The endpoint's id, or the name of a public endpoint.
            input_type: The type of inputs: a dataclass, attrs class, TypedDict, Struct, pydantic model, or a container
                of these; any JSON by default.
            output_type: The type of outputs, likewise.
            chunk_type: The type of the chunks that a streaming handler yields, likewise.
            input_codec: A `Codec` for inputs, in place of their type.
            output_codec: A `Codec` for outputs, in place of their type.
            chunk_codec: A `Codec` for chunks, in place of their type.

        Raises:
            ConfigurationError: The id is invalid, or a type is not supported.
        """
        return AsyncEndpoint(
            endpoint_id,
            client=self,
            input_type=input_type,
            output_type=output_type,
            chunk_type=chunk_type,
            input_codec=input_codec,
            output_codec=output_codec,
            chunk_codec=chunk_codec,
        )

    async def call(self, operation: GeneratedOperation[P, ModelT], /, *args: P.args, **kwargs: P.kwargs) -> ModelT:
        """Call any operation of the API, also one that this package has no method for, and return its generated model.

        Retries, rate limits and errors are those of the client: ``with_options()`` changes them. Only GET, PUT and
        DELETE are repeated once they may have taken effect, and ``stream`` is not: it takes chunks off the server.

        Example:
            ``batch = await client.call(create_batch, "my-endpoint", body=[RunRequest(input_={"prompt": "Hello"})])``

        Args:
            operation: A module of ``runpod_queue_api.api``, such as ``runpod_queue_api.api.batch.create_batch``.
            args: What its functions take, without ``client=``.
            kwargs: The same.

        Raises:
            APIError: The call failed, retries included.
            APIResponseValidationError: The response does not fit the specification.
            ConfigurationError: The request cannot be sent, or the client is closed or has no key.
        """
        request = generated_request(operation, *args, **kwargs)
        return await self._executor.call(request, self._config)
