"""The async executor that does the work of a sync one, in another thread."""

from __future__ import annotations

from typing import Any, final

import httpx
from typing_extensions import override

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._sync.executor import RequestExecutor

_THREADS = 64


def async_executor(executor: RequestExecutor) -> AsyncRequestExecutor:
    """Return an async executor that shares the rate limits. A custom http_client is used in threads."""
    custom = executor.http_client
    most_bytes = executor.connection.max_response_bytes
    client = None if custom is None else httpx.AsyncClient(transport=_InThreads(custom, most_bytes))
    bridged = AsyncRequestExecutor(executor.connection, client, executor.hooks)
    bridged.share_limits(executor.limits, executor.scheduler)
    return bridged


@final
class _InThreads(httpx.AsyncBaseTransport):
    """Sends requests through a sync client."""

    def __init__(self, client: httpx.Client, most_bytes: int) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._limiter: Any = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        import anyio  # noqa: PLC0415 -- the sync API never needs it
        import anyio.to_thread  # noqa: PLC0415 -- likewise

        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_THREADS)
        content = await request.aread()
        return await anyio.to_thread.run_sync(
            self._send, request, content, abandon_on_cancel=True, limiter=self._limiter
        )

    def _send(self, request: httpx.Request, content: bytes) -> httpx.Response:
        copy = self._client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=content,
            timeout=httpx.Timeout(**request.extensions["timeout"]),
        )
        response = self._client.send(copy, stream=True, follow_redirects=False)
        headers = response.headers.raw
        if response.is_stream_consumed:  # by the user's hooks, or it never came over a network; it is decoded too
            headers = [(name, value) for name, value in headers if name.lower() != b"content-encoding"]
            return httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(response.content))
        raw = bytearray()
        try:
            for part in response.iter_raw():
                raw += part
                if len(raw) > self._most_bytes:
                    break
        finally:
            response.close()
        return httpx.Response(response.status_code, headers=headers, stream=httpx.ByteStream(bytes(raw)))
