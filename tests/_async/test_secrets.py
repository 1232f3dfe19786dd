# What must show nowhere.
"""The key and the credentials of a storage show in nothing that people or machines read, and go to no other host."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any, Final

import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    AuthenticationError,
    ConfigurationError,
    QueueTimeoutError,
    RetryPolicy,
    RunpodError,
)
from tests._async.ways import ALL_WAYS, PROXIED_HOST, AsyncClientOver
from tests.loopback_proxy import proxying
from tests.scripted_server import Script, answer, scripted
from tests.secrecy import (
    ACCESS_ID,
    ACCESS_SECRET,
    CANARIES,
    KEY,
    assert_error_tells_no_secret,
    assert_logs_tell_no_secret,
    assert_tells_no_secret,
    storage,
)

pytestmark = pytest.mark.anyio

QUEUED: Final = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
HEALTHY: Final = answer(200, '{"jobs": {}, "workers": {}}')
TWICE: Final = RetryPolicy(attempts=2, initial_backoff=0.001, max_backoff=0.001)

FAILURES: dict[str, Script] = {
    "closed at once": [b""],
    "reset at once": [None],
    "closed in the middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b""],
    "reset in the middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", None],
    "silence": [60.0],
    "silence in the middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", 60.0],
    "no http": [b"GARBAGE\r\n\r\n", b""],
    "bad chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b""],
    "huge headers": [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", b""],
    "400": [answer(400, '{"error": "no"}')],
    "401": [answer(401, '{"error": "unauthorized"}')],
    "404": [answer(404, '{"error": "not found"}')],
    "429": [answer(429, "slow down", "Retry-After: 99")],
    "500": [answer(500, "<html>oh no</html>")],
    "302": [answer(302, "", "Location: http://elsewhere.example/")],
    "bad json": [answer(200, '{"id": ')],
    "wrong shape": [answer(200, "[7]")],
    "too large": [answer(200, b" " * 2_000_000)],
    "bad gzip": [answer(200, "nope", "Content-Encoding: gzip")],
}


async def errors_of(endpoint: AsyncEndpoint[Any, Any, Any]) -> list[RunpodError]:
    """Return the errors of a read, a submission with storage credentials, and a wait."""
    errors: list[RunpodError] = []
    try:
        await endpoint.health(timeout=0.1)
    except RunpodError as error:
        errors.append(error)
    try:
        await endpoint.run({"n": 1}, s3_config=storage(), webhook="https://hook.example/", timeout=0.1)
    except RunpodError as error:
        errors.append(error)
    try:
        await endpoint.job("job-1").output(timeout=0.1)
    except RunpodError as error:
        errors.append(error)
    return errors


@pytest.mark.slow
@pytest.mark.parametrize("script", FAILURES.values(), ids=list(FAILURES))
async def test_no_error_tells_a_secret_over_any_way(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "httpx", "httpcore", "aiohttp", "asyncio", "runpod_typed"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    for way in ALL_WAYS:
        with scripted(script) as server:
            async with AsyncClientOver(way, server.base_url, api_key=KEY, retry=TWICE) as client:
                errors = await errors_of(client.endpoint("ep"))
            assert KEY in server.requests[0]
        assert len(errors) == 3
        for error in errors:
            assert_error_tells_no_secret(error)
    assert_logs_tell_no_secret(caplog.records)


async def test_no_error_of_a_refused_connection_tells_a_secret() -> None:
    with scripted([QUEUED]) as server:
        base_url = server.base_url
    for way in ALL_WAYS:
        async with AsyncClientOver(way, base_url, api_key=KEY, retry=TWICE) as client:
            for error in await errors_of(client.endpoint("ep")):
                assert_error_tells_no_secret(error)


ESCAPED_KEY: Final = "".join(f"\\u{ord(character):04x}" for character in KEY)

ECHOES: dict[str, Script] = {
    **{
        f"{status} with {name}": [answer(status, body, f"X-Request-Id: {KEY}", f"X-Echo: Bearer {KEY}")]
        for status in (200, 401, 500)
        for name, body in {
            "a message": f'{{"error": "Bearer {KEY} is not good"}}',
            "its own names": f'{{"{KEY}": {{"a": ["{KEY}"]}}}}',
            "a page": f"<html>{KEY}",
            "an end that is cut off": f'{{"error": "{"x" * 190}{KEY}"}}',
        }.items()
    },
    "its status line": [f"HTTP/1.1 200 {KEY}\r\nContent-Length: 0\r\n\r\n".encode()],
    "a bad status line": [f"{KEY}\r\n\r\n".encode(), b""],
    "a bad header": [f"HTTP/1.1 200 OK\r\nX {KEY} : \0{KEY}\r\n\r\n".encode(), b""],
    "a bad chunk": [f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(), b""],
    "a bad length": [f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n".encode(), b""],
    "an endless header": [f"HTTP/1.1 200 OK\r\nX: {KEY * 10_000}\r\n\r\n".encode(), b""],
    "an encoding": [answer(200, "nope", f"Content-Encoding: {KEY}")],
    "a redirect": [answer(302, "", f"Location: http://elsewhere.example/?key={KEY}")],
    "a cookie": [answer(500, "", f"Set-Cookie: key={KEY}")],
    "escapes of JSON": [answer(401, f'{{"error": "{ESCAPED_KEY}"}}')],
    "a pause": [answer(429, KEY, f"Retry-After: {KEY}", f'RateLimit: "{KEY}";r=0;t=1')],
}


@pytest.mark.parametrize("script", ECHOES.values(), ids=list(ECHOES))
async def test_a_secret_that_the_server_sends_back_is_not_shown(script: Script) -> None:
    for way in ALL_WAYS:
        with scripted(script) as server:
            async with AsyncClientOver(way, server.base_url, api_key=KEY) as client:
                errors = await errors_of(client.endpoint("ep"))
                assert errors
                for error in errors:
                    assert_error_tells_no_secret(error)


async def test_logs_of_successful_calls_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "httpx", "httpcore", "aiohttp", "asyncio", "runpod_typed"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    for way in ALL_WAYS:
        with scripted([QUEUED], [HEALTHY]) as server:
            async with AsyncClientOver(way, server.base_url, api_key=KEY) as client:
                await client.endpoint("ep").run({"n": 1}, s3_config=storage())
                await client.endpoint("ep").health()
            assert all(secret in server.bodies[0].decode() for secret in (ACCESS_ID, ACCESS_SECRET))
    assert_logs_tell_no_secret(caplog.records)


async def test_nothing_prints_a_secret() -> None:
    with scripted([QUEUED]) as server:
        async with AsyncClientOver("straight", server.base_url, api_key=KEY) as client:
            endpoint = client.endpoint("ep", input_type=dict[str, int])
            job = await endpoint.run({"n": 1}, s3_config=storage())
            for each in (client, endpoint, job, job.state, storage(), client.with_options(timeout=3)):
                assert_tells_no_secret(f"{each} {each!r} {[each]}")
            for hidden in (vars(client), vars(endpoint), vars(client)["_executor"].__dict__):
                assert_tells_no_secret(repr(hidden))


async def test_no_pickle_holds_a_secret() -> None:
    with scripted([QUEUED]) as server:
        async with AsyncClientOver("straight", server.base_url, api_key=KEY) as client:
            endpoint: AsyncEndpoint[Any, Any, Any] = client.endpoint("ep", output_type=dict[str, int])
            job = await endpoint.run({"n": 1}, s3_config=storage())
            for each in (client, endpoint, job, job.state, storage(), client.with_options(timeout=3)):
                for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                    data = pickle.dumps(each, protocol)
                    assert all(canary.encode() not in data for canary in CANARIES)
                    pickle.loads(data)


async def test_unpickled_endpoint_reads_the_key_and_keeps_its_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scripted([QUEUED], [answer(200, '{"id": "job-1", "status": "COMPLETED", "output": {"a": 7}}')]) as server:
        async with AsyncClientOver("straight", server.base_url, api_key=KEY) as client:
            data = pickle.dumps(client.endpoint("ep", output_type=dict[str, int]))
        again: AsyncEndpoint[Any, dict[str, int], Any] = pickle.loads(data)
        assert again.id == "ep"
        monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
        with pytest.raises(ConfigurationError, match="RUNPOD_API_KEY"):
            await again.health()
        monkeypatch.setenv("RUNPOD_API_KEY", "another-key")
        assert await (await again.run({"n": 1})).output(timeout=30) == {"a": 7}
        await again.aclose()
        assert all("another-key" in head for head in server.requests)


async def test_a_copy_of_a_client_prints_no_secret() -> None:
    client = AsyncClient(KEY, base_url="http://127.0.0.1:1/v2")
    assert_tells_no_secret(repr(copy.copy(client)))
    await client.aclose()


async def test_a_pickle_holds_the_key_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    with scripted([HEALTHY]) as server:
        async with AsyncClient(KEY, base_url=server.base_url, pickle_api_key=True) as client:
            again: AsyncClient = pickle.loads(pickle.dumps(client))
        assert_tells_no_secret(repr(again))
        async with again:
            await again.endpoint("ep").health()
        assert KEY in server.requests[0]


async def test_unpickled_errors_show_no_secret_and_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')
    with scripted([QUEUED], [QUEUED], [HEALTHY], [done]) as server:
        async with AsyncClient(KEY, base_url=server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(QueueTimeoutError) as caught:
                await job.output(queue_timeout=0)
            assert_error_tells_no_secret(caught.value)
            data = pickle.dumps(caught.value)
        again: QueueTimeoutError = pickle.loads(data)
        monkeypatch.setenv("RUNPOD_API_KEY", "another-key")
        taken_up: AsyncJob[Any, Any] = again.job
        assert await taken_up.output(timeout=30) == 7
        assert "another-key" in server.requests[-1]


BAD_SETTINGS: dict[str, Callable[[], object]] = {
    "a base URL with the key in it": lambda: AsyncClient(KEY, base_url=f"https://user:{KEY}@api.example/v2"),
    "a base URL with the key in its query": lambda: AsyncClient(KEY, base_url=f"https://api.example/v2?key={KEY}"),
    "a base URL of another kind": lambda: AsyncClient(KEY, base_url="ftp://api.example/v2"),
    "a base URL that is none": lambda: AsyncClient(KEY, base_url="https://[::1/v2"),
    "a timeout that is none": lambda: AsyncClient(KEY, base_url="https://api.example", timeout=-1),
    "a cap that is none": lambda: AsyncClient(KEY, base_url="https://api.example", max_response_bytes=0),
    "a key with a line break in it": lambda: AsyncClient(f"{KEY}\r\nX: y", base_url="https://api.example"),
    "a key with a space in it": lambda: AsyncClient(f"{KEY} ", base_url="ftp://api.example"),
    "an endpoint without an id": lambda: AsyncEndpoint("", api_key=KEY, base_url="https://api.example"),
    "an endpoint with a bad id": lambda: AsyncEndpoint("a/b", api_key=KEY, base_url="https://api.example"),
    "an endpoint with a bad type": lambda: AsyncEndpoint("ep", api_key=KEY, output_type=[7]),  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType] -- what is tested
    "an endpoint with a bad base URL": lambda: AsyncEndpoint("ep", api_key=KEY, base_url="ftp://api.example"),
}


@pytest.mark.parametrize("make", BAD_SETTINGS.values(), ids=list(BAD_SETTINGS))
async def test_a_setting_that_is_refused_tells_no_secret(make: Callable[[], object]) -> None:
    with pytest.raises(RunpodError) as caught:
        make()
    assert_error_tells_no_secret(caught.value)


async def test_a_key_from_the_environment_is_as_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    with pytest.raises(ConfigurationError) as caught:
        AsyncClient(base_url="ftp://api.example")
    assert_error_tells_no_secret(caught.value)
    with scripted([answer(401, "no")]) as server:
        async with AsyncClient(base_url=server.base_url) as client:
            with pytest.raises(AuthenticationError) as refused:
                await client.endpoint("ep").health()
        assert KEY in server.requests[0]
    assert_error_tells_no_secret(refused.value)


async def test_a_refused_input_tells_no_secret() -> None:
    async with AsyncClient(KEY, base_url="http://127.0.0.1:1/v2") as client:
        endpoint = client.endpoint("ep")
        for value in ({}, {"n": float("nan")}, {"n": object()}, {"text": "x" * 11_000_000}):
            with pytest.raises(RunpodError) as caught:
                await endpoint.run(value, s3_config=storage())
            assert_error_tells_no_secret(caught.value)


@pytest.mark.slow
async def test_a_redirect_takes_no_secret_to_another_host() -> None:
    for way in ALL_WAYS:
        with scripted([HEALTHY]) as elsewhere:
            for status in (301, 302, 303, 307, 308):
                with scripted([answer(status, "", f"Location: {elsewhere.base_url}/ep/health")]) as server:
                    async with AsyncClientOver(way, server.base_url, api_key=KEY) as client:
                        assert len(await errors_of(client.endpoint("ep"))) == 3
            assert elsewhere.requests == []


async def test_a_callers_client_that_follows_redirects_does_not_for_us() -> None:
    with scripted([HEALTHY]) as elsewhere, scripted([answer(302, "", f"Location: {elsewhere.base_url}/")]) as server:
        async with AsyncClientOver("redirecting client", server.base_url, api_key=KEY) as client:
            assert len(await errors_of(client.endpoint("ep"))) == 3
        assert elsewhere.requests == []


async def test_a_webhook_takes_no_secret_with_it() -> None:
    with scripted([answer(200)]) as hook, scripted([QUEUED]) as server:
        async with AsyncClient(KEY, base_url=server.base_url) as client:
            await client.endpoint("ep").run({"n": 1}, webhook=hook.base_url)
        assert hook.requests == []
        assert KEY not in server.bodies[0].decode()


async def test_a_proxy_of_an_encrypted_connection_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying() as proxy, scripted([b"", b""]) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        base_url = server.base_url.replace("http:", "https:").replace("127.0.0.1", PROXIED_HOST)
        async with AsyncClient(KEY, base_url=base_url, retry=RetryPolicy.disabled()) as client:
            for error in await errors_of(client.endpoint("ep")):
                assert_error_tells_no_secret(error)
        assert proxy.targets
        assert all(target.startswith("CONNECT server.example:") for target in proxy.targets)
        assert KEY.encode() not in b"".join(proxy.heads)


@pytest.mark.filterwarnings("ignore:The base URL")
async def test_a_proxys_password_shows_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted([answer(407, "who are you?")]) as proxy:
        address = proxy.base_url.removeprefix("http://").removesuffix("/v2")
        for scheme in ("http", "https"):
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://user:{KEY}@{address}")
            async with AsyncClient("key", base_url=f"{scheme}://server.example/v2", retry=TWICE) as client:
                for error in await errors_of(client.endpoint("ep")):
                    assert_error_tells_no_secret(error)
    assert_logs_tell_no_secret(caplog.records)


@pytest.mark.filterwarnings("ignore:The base URL")
@pytest.mark.parametrize(
    "proxy", [f"ftp://user:{KEY}@127.0.0.1:1", f"socks5://user:{KEY}@127.0.0.1:1", f"http://[{KEY}"]
)
async def test_error_of_an_unusable_proxy_shows_no_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with AsyncClient("key", base_url="http://server.example/v2", retry=TWICE) as client:
        with pytest.raises(RunpodError) as caught:
            await client.endpoint("ep").health()
    assert_error_tells_no_secret(caught.value)
