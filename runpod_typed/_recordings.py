"""Recorded exchanges: responses of a real endpoint, kept in a file and replayed without it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx

from runpod_typed import AsyncClient, Client

_VERSION: Final = 1
_KEPT_HEADERS: Final = ("content-type", "date", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id")
_MASK: Final = "***"
_CREDENTIAL: Final = re.compile(
    "secret|passw|credential|authori|signature|cookie|webhook|(access|api|private)_?(id|key)|token(?![a-z])",
    re.IGNORECASE,
)
"""The names of what is a secret in a request."""
_CREDENTIAL_IN_TEXT: Final = re.compile(
    r"(://)[^/@\s]+(?=@)|(\bbearer\s)\S+|([?&][^?=&#\s]{0,40}(?:sig|cred|key|token|secret|pass|auth)[^?=&#\s]{0,40}=)[^&#\s]+",
    re.IGNORECASE,
)
_SHORTEST_SECRET: Final = 6
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class ReplayError(AssertionError):
    """A request has no recorded response: the code under test sends other requests than when it was recorded."""


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


def record(
    path: str | Path, *, api_key: str | None = None, base_url: str | None = None, profile: str | None = None
) -> Recording:
    """Record the exchanges of a block with a real endpoint into a file, without the key.

    Other secrets are masked by their names in a request (such as `hf_token`, and the webhook's URL), wherever they come
    back, and in URLs. Look at the file before you share it.

    Example:
        ::

            with record("caption.json") as client:
                client.endpoint("my-endpoint").run_sync({"prompt": "a lighthouse"})

    Args:
        path: The file, which is replaced at the end of the block; its folder is made.
        api_key: The key, as for `Client`; None for the one of the profile or of the environment's ``RUNPOD_API_KEY``.
        base_url: The server, as for `Client`; None for the one of the profile or of the environment.
        profile: The profile with the key, as for `Client`.

    Raises:
        ConfigurationError: There is no key.
        OSError: The file cannot be written.
    """
    options = {"api_key": api_key, "base_url": base_url, "profile": profile}
    with Client(api_key, base_url=base_url, profile=profile) as client:
        base = urlsplit(client.base_url).path
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).open("a").close()  # raises before anything is sent
    exchanges: list[dict[str, Any]] = []
    secrets: set[str] = set()

    def note(request: httpx.Request, response: httpx.Response, body: bytes) -> httpx.Response:
        headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        secrets.add(request.headers["authorization"].rpartition(" ")[2])
        asked = _request(request, base, secrets)
        given = {"status": response.status_code, "headers": headers, **_content(body)}
        exchanges.append({"request": asked, "response": _without(given, secrets)})
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
        text = _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):x}", text)
        Path(path).write_text(f"{text}\n", encoding="utf-8")

    return Recording(
        lambda: httpx.Client(transport=Transport()),
        lambda: httpx.AsyncClient(transport=AsyncTransport()),
        options,
        save,
    )


def replay(path: str | Path) -> Recording:
    """Replay the exchanges that `record` wrote. Nothing is sent, and no key is needed.

    A request gets the next recorded response to the same method, path and body; a read that comes more often than it
    was recorded gets the last one again.

    Example:
        ::

            with replay("caption.json") as client:
                client.endpoint("my-endpoint").run_sync({"prompt": "a lighthouse"})

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a recording.
        ReplayError: A request has no recorded response. The client raises it.
    """
    exchanges = _read(Path(path))
    used: set[int] = set()
    secrets: set[str] = set()
    lock = Lock()

    def respond(request: httpx.Request) -> httpx.Response:
        asked = _request(request, "/v2", secrets)
        matching = [number for number, exchange in enumerate(exchanges) if exchange["request"] == asked]
        with lock:
            left = [number for number in matching if number not in used]
            if not left and request.method == "GET":
                left = matching[-1:]
            if not left:
                raise ReplayError(
                    f"{path} has no response to {request.method} {asked['path']} with {asked['body']!r}. "
                    "If the request is right, record it again."
                )
            used.add(left[0])
        response = exchanges[left[0]]["response"]
        text = response["text"] if "text" in response else json.dumps(response["body"])
        content = text.encode(errors="surrogateescape")
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
    try:
        recording: Any = json.loads(path.read_text(encoding="utf-8"))
        version, exchanges = recording["version"], recording["exchanges"]
    except (ValueError, LookupError, TypeError):
        version, exchanges = None, None
    if version != _VERSION or not isinstance(exchanges, list):
        raise ValueError(f"{path} is not a recording of this version of runpod_typed: record it again")
    return cast("list[dict[str, Any]]", exchanges)


def _request(request: httpx.Request, base: str, secrets: set[str]) -> dict[str, Any]:
    """Return what identifies a request: without the base URL, the query, which has times, and secrets."""
    body = json.loads(request.content) if request.content else None
    path = request.url.path.removeprefix(base)
    asked: dict[str, Any] = _without(
        {"method": request.method, "path": path, "body": _scrubbed(body, secrets)}, secrets
    )
    return asked


def _content(body: bytes) -> dict[str, Any]:
    """Return a response's body as JSON, or as it came."""
    try:
        return {"body": json.loads(body)}
    except (ValueError, RecursionError):
        return {"text": body.decode(errors="surrogateescape")}


def _scrubbed(value: Any, secrets: set[str], *, named: bool = False) -> Any:
    """Mask the strings of a request that are secrets by their names, and add them to `secrets`."""
    match value:
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {
                name: _scrubbed(item, secrets, named=named or bool(_CREDENTIAL.search(name))) for name, item in items
            }
        case list():
            return [_scrubbed(item, secrets, named=named) for item in cast("list[object]", value)]
        case str() if named:
            secrets.add(value)
            return _MASK
        case _:
            return value


def _without(value: Any, secrets: set[str]) -> Any:
    """Mask secrets wherever they are, and those that a URL or a header holds."""
    match value:
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {name: _without(item, secrets) for name, item in items}
        case list():
            return [_without(item, secrets) for item in cast("list[object]", value)]
        case str():
            for secret in tuple(secrets):  # other threads add to it
                if len(secret) >= _SHORTEST_SECRET:
                    value = value.replace(secret, _MASK)
            return _CREDENTIAL_IN_TEXT.sub(lambda found: next(filter(None, found.groups())) + _MASK, value)
        case _:
            return value
