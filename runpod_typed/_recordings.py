"""Recorded exchanges: responses of a real endpoint, kept in a file and replayed without it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

import httpx

from runpod_typed import AsyncClient, Client

_VERSION: Final = 1
_KEPT_HEADERS: Final = ("content-type", "date", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id")
_MASK: Final = "***"
_CREDENTIAL: Final = re.compile("secret|password|access_?id|api_?key", re.IGNORECASE)


class ReplayError(AssertionError):
    """A request has no recorded response: the code under test sends something else than when it was recorded."""


class Recording:
    """A client whose exchanges are recorded or replayed: ``with`` gives a `Client`, ``async with`` an `AsyncClient`."""

    def __init__(
        self,
        http_client: Callable[[], httpx.Client],
        async_http_client: Callable[[], httpx.AsyncClient],
        options: dict[str, Any],
        finish: Callable[[], None],
    ) -> None:
        self._http_client = http_client
        self._async_http_client = async_http_client
        self._options = options
        self._finish = finish
        self._open: httpx.Client | httpx.AsyncClient | None = None

    def __enter__(self) -> Client:
        self._open = http_client = self._http_client()
        return Client(http_client=http_client, **self._options)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        cast("httpx.Client", self._open).close()
        self._finish()

    async def __aenter__(self) -> AsyncClient:
        self._open = http_client = self._async_http_client()
        return AsyncClient(http_client=http_client, **self._options)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await cast("httpx.AsyncClient", self._open).aclose()
        self._finish()


def record(path: str | Path, *, profile: str | None = None) -> Recording:
    """Record the exchanges of a block with a real endpoint into a file, without the key.

    Example:
        ``with record("caption.json") as client: client.endpoint("my-endpoint").run_sync({"prompt": "a lighthouse"})``

    Args:
        path: The file, which is replaced at the end of the block.
        profile: The profile with the key, as for `Client`; None for the environment's ``RUNPOD_API_KEY``.

    Raises:
        ConfigurationError: There is no key.
    """
    exchanges: list[dict[str, Any]] = []

    def note(request: httpx.Request, response: httpx.Response, body: bytes) -> httpx.Response:
        headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        exchange = {
            "request": {"method": request.method, "path": _path(request), "body": _scrubbed(_json(request.content))},
            "response": {"status": response.status_code, "headers": headers, "body": _json(body)},
        }
        key = request.headers.get("authorization", "").rpartition(" ")[2]
        exchanges.append(_without(exchange, key))
        return httpx.Response(response.status_code, headers=headers, content=body, request=request)

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.read()
            response = super().handle_request(request)
            return note(request, response, response.read())

    class AsyncTransport(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            response = await super().handle_async_request(request)
            return note(request, response, await response.aread())

    def save() -> None:
        text = json.dumps({"version": _VERSION, "exchanges": exchanges}, indent=1, ensure_ascii=False)
        Path(path).write_text(f"{text}\n", encoding="utf-8")

    return Recording(
        lambda: httpx.Client(transport=Transport()),
        lambda: httpx.AsyncClient(transport=AsyncTransport()),
        {"profile": profile},
        save,
    )


def replay(path: str | Path) -> Recording:
    """Replay the exchanges that `record` wrote. Nothing is sent, and no key is needed.

    A request gets the next recorded response to the same method, path and body; a read that comes more often than it
    was recorded gets the last one again.

    Example:
        ``with replay("caption.json") as client: client.endpoint("my-endpoint").run_sync({"prompt": "a lighthouse"})``

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a recording.
        ReplayError: A request has no recorded response. The client raises it.
    """
    exchanges = _read(Path(path))
    used: set[int] = set()

    def respond(request: httpx.Request) -> httpx.Response:
        asked = {"method": request.method, "path": _path(request), "body": _scrubbed(_json(request.content))}
        matching = [number for number, exchange in enumerate(exchanges) if exchange["request"] == asked]
        left = [number for number in matching if number not in used]
        if not left and request.method == "GET":
            left = matching[-1:]
        if not left:
            raise ReplayError(f"{path} has no response to {request.method} {_path(request)} with {asked['body']!r}")
        used.add(left[0])
        response = exchanges[left[0]]["response"]
        content = json.dumps(response["body"]).encode()
        return httpx.Response(response["status"], headers=response["headers"], content=content, request=request)

    transport = httpx.MockTransport(respond)
    options = {"api_key": "replayed", "base_url": "https://replay.invalid/v2"}
    return Recording(
        lambda: httpx.Client(transport=transport),
        lambda: httpx.AsyncClient(transport=transport),
        options,
        lambda: None,
    )


def _read(path: Path) -> list[dict[str, Any]]:
    recording: Any = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(recording, dict) or cast("dict[str, Any]", recording).get("version") != _VERSION:
        raise ValueError(f"{path} is not a recording of this version of runpod_typed")
    exchanges: list[dict[str, Any]] = cast("dict[str, Any]", recording)["exchanges"]
    return exchanges


def _path(request: httpx.Request) -> str:
    """Return the path below the base URL: `/my-endpoint/run`. The query has times, which differ."""
    return "/" + request.url.path.split("/", 2)[-1]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")


def _scrubbed(value: Any) -> Any:
    """Mask credentials, such as those of a bucket."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: _MASK if _CREDENTIAL.search(name) else _scrubbed(item) for name, item in items}
    if isinstance(value, list):
        return [_scrubbed(item) for item in cast("list[object]", value)]
    return value


def _without(exchange: dict[str, Any], key: str) -> dict[str, Any]:
    """Mask the key, if the server sent it back."""
    text = json.dumps(exchange)
    without: dict[str, Any] = json.loads(text.replace(json.dumps(key)[1:-1], _MASK)) if key else exchange
    return without
