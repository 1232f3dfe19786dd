# Clients: their life, their settings, their neighbours.
"""A client can be closed, copied, pickled, pointed elsewhere and given connections, and says what went wrong."""

from __future__ import annotations

import gzip
import pickle
from base64 import b64encode

import httpx
import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    AuthenticationError,
    ConfigurationError,
    PollPolicy,
    RetryPolicy,
    RunpodError,
)
from runpod_typed.local import LocalQueue
from tests._async.ways import PROXIED_HOST, WAYS, AsyncClientOver
from tests.handlers import square
from tests.loopback_proxy import proxying
from tests.scripted_server import Script, answer, scripted, wait_until

pytestmark = pytest.mark.anyio

HEALTHY = answer(200, '{"jobs": {"inQueue": 3}, "workers": {}}')
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')
HEALTH: Script = [HEALTHY]


@pytest.mark.parametrize("way", WAYS)
async def test_a_closed_client_says_so_when_used(way: str) -> None:
    with scripted([DONE]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            endpoint = client.endpoint("ep")
            job = endpoint.job("job-1")
            await job.status()
            await client.aclose()
            await client.aclose()
            for call in (endpoint.health, job.status, job.cancel):
                with pytest.raises(ConfigurationError, match="The client is closed"):
                    await call()
            with pytest.raises(ConfigurationError, match="The client is closed"):
                await endpoint.run({"n": 1})
        assert len(server.requests) == 1


async def test_an_unused_client_can_be_closed_twice() -> None:
    client = AsyncClient("key", base_url="http://127.0.0.1:1/v2")
    await client.aclose()
    await client.aclose()


async def test_a_closed_standalone_endpoint_says_so_when_used() -> None:
    with scripted(HEALTH) as server:
        endpoint: AsyncEndpoint = AsyncEndpoint("ep", api_key="key", base_url=server.base_url)
        async with endpoint:
            await endpoint.health()
        await endpoint.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await endpoint.health()


@pytest.mark.parametrize("way", ["straight", "proxy"])
async def test_a_closed_client_holds_no_connection(way: str) -> None:
    with scripted(HEALTH) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            await client.endpoint("ep").health()
            assert server.open_connections == 1
        wait_until(lambda: server.open_connections == 0)


async def test_copies_share_connections_and_do_not_close_them() -> None:
    with scripted(HEALTH) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            await client.endpoint("ep").health()
            async with client.with_options(timeout=3, poll=PollPolicy.disabled()) as copy:
                await copy.endpoint("ep").health()
            async with client.endpoint("ep").with_options(timeout=3) as endpoint:
                await endpoint.health()
            await client.endpoint("ep").health()
        assert server.connections_made == 1


async def test_options_hold_for_the_copy_alone() -> None:
    with scripted([answer(503)]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=RetryPolicy.disabled()) as client:
            often = client.with_options(retry=RetryPolicy(attempts=3, initial_backoff=0.01, max_backoff=0.01))
            for each, requests in ((client, 1), (often, 4), (client.endpoint("ep"), 5), (often.endpoint("ep"), 8)):
                endpoint = each if isinstance(each, AsyncEndpoint) else each.endpoint("ep")
                with pytest.raises(RunpodError):
                    await endpoint.health()
                assert len(server.requests) == requests


async def test_two_clients_with_different_keys_do_not_mix_them() -> None:
    with scripted(HEALTH) as server:
        one, two = (AsyncClient(key, base_url=server.base_url) for key in ("key-one", "key-two"))
        async with one, two:
            for _ in range(3):
                await one.endpoint("ep").health()
                await two.endpoint("ep").health()
        assert ["Bearer key-one" in head for head in server.requests] == [True, False] * 3
        assert ["Bearer key-two" in head for head in server.requests] == [False, True] * 3


async def test_the_key_is_trimmed() -> None:
    with scripted(HEALTH) as server:
        async with AsyncClient(" key-one\n", base_url=server.base_url) as client:
            await client.endpoint("ep").health()
        assert "Bearer key-one\r\n" in server.requests[0]


async def test_the_environment_fills_omitted_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(HEALTH) as server, scripted(HEALTH) as other:
        monkeypatch.setenv("RUNPOD_API_KEY", "key-of-the-environment")
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", f"{server.base_url}/")
        async with AsyncClient() as client:
            await client.endpoint("ep").health()
            assert client.base_url == server.base_url
        async with AsyncEndpoint("ep") as endpoint:
            await endpoint.health()
        async with AsyncClient("key-given", base_url=other.base_url) as client:
            await client.endpoint("ep").health()
        assert ["Bearer key-of-the-environment" in head for head in server.requests] == [True, True]
        assert ["Bearer key-given" in head for head in other.requests] == [True]


async def test_a_client_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    for make in (AsyncClient, lambda: AsyncEndpoint("ep")):
        with pytest.raises(ConfigurationError, match="RUNPOD_API_KEY"):
            make()


async def test_a_wrong_key_raises_with_advice() -> None:
    with LocalQueue(square) as queue:
        async with AsyncClient("wrong", base_url=queue.base_url) as client:
            with pytest.raises(AuthenticationError, match="RUNPOD_API_KEY"):
                await client.endpoint(queue.endpoint_id).run({"n": 1})


async def test_a_pickled_client_takes_the_key_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scripted([answer(503)], [answer(503)], HEALTH) as server:
        policy = RetryPolicy(attempts=3, initial_backoff=0.01, max_backoff=0.01)
        async with AsyncClient("key-given", base_url=server.base_url, retry=policy) as client:
            data = pickle.dumps(client)
        monkeypatch.setenv("RUNPOD_API_KEY", "key-of-the-environment")
        again: AsyncClient = pickle.loads(data)
        async with again:
            assert (await again.endpoint("ep").health()).jobs.in_queue == 3
        assert all("Bearer key-of-the-environment" in head for head in server.requests)
        wait_until(lambda: server.open_connections == 0)


async def test_a_pickled_copy_of_a_closed_client_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    with scripted(HEALTH) as server:
        client = AsyncClient(base_url=server.base_url)
        await client.aclose()
        again: AsyncClient = pickle.loads(pickle.dumps(client))
        async with again:
            await again.endpoint("ep").health()


async def test_a_client_with_an_http_client_is_not_pickled() -> None:
    async with httpx.AsyncClient(verify=False) as own:
        client = AsyncClient("key", base_url="http://127.0.0.1:1/v2", http_client=own)
        for each in (client, client.endpoint("ep")):
            with pytest.raises(TypeError, match="http_client"):
                pickle.dumps(each)


async def test_an_http_client_is_used_by_send_and_not_closed() -> None:
    sent: list[httpx.Request] = []

    class Own(httpx.AsyncClient):
        async def send(self, request: httpx.Request, *args: object, **kwargs: object) -> httpx.Response:
            sent.append(request)
            return await super().send(request, *args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

    with scripted(HEALTH) as server:
        async with Own(verify=False, headers={"X-Own": "yes"}) as own:
            async with AsyncClient("key", base_url=server.base_url, http_client=own) as client:
                await client.endpoint("ep").health()
            assert not own.is_closed
            assert (await own.get(f"{server.base_url}/ep/health")).status_code == 200
        assert [request.url.path for request in sent] == ["/v2/ep/health", "/v2/ep/health"]
        assert "x-own: yes" in server.requests[0].lower()
        assert "Bearer key" in server.requests[0]
        assert "Bearer key" not in server.requests[1]


async def test_a_closed_http_client_is_named() -> None:
    own = httpx.AsyncClient(verify=False)
    await own.aclose()
    async with AsyncClient("key", base_url="http://127.0.0.1:1/v2", http_client=own) as client:
        with pytest.raises(ConfigurationError, match="http_client= is closed"):
            await client.endpoint("ep").run({"n": 1})


async def test_an_http_client_may_have_a_mock_transport() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer key"
        if request.method == "POST":
            assert request.read() == b'{"input":{"n":1}}'
            return httpx.Response(200, json={"id": "job-1", "status": "IN_QUEUE"})
        return httpx.Response(200, json={"id": "job-1", "status": "COMPLETED", "output": 7})

    own = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    async with own, AsyncClient("key", base_url="https://api.example/v2", http_client=own) as client:
        assert await client.endpoint("ep").run_sync({"n": 1}, timeout=1.5) == 7


async def test_hooks_of_an_http_client_may_read_the_response() -> None:
    read: list[str] = []

    async def hook(response: httpx.Response) -> None:
        await response.aread()
        read.append(response.text)

    packed = answer(200, gzip.compress(b'{"jobs": {"inQueue": 3}, "workers": {}}'), "Content-Encoding: gzip")
    with scripted([packed]) as server:
        own = httpx.AsyncClient(verify=False, event_hooks={"response": [hook]})
        async with own, AsyncClient("key", base_url=server.base_url, http_client=own) as client:
            assert (await client.endpoint("ep").health()).jobs.in_queue == 3
    assert "inQueue" in read[0]


async def test_an_error_of_a_custom_transport_becomes_ours() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise OSError("the cable is out")

    own = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    async with own, AsyncClient("key", base_url="https://api.example", http_client=own) as client:
        with pytest.raises(RunpodError, match="the cable is out"):
            await client.endpoint("ep").with_options(retry=RetryPolicy.disabled()).health()


@pytest.mark.filterwarnings("ignore:The base URL")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with proxying() as proxy, scripted(HEALTH) as server:
        monkeypatch.setenv(variable, proxy.url)
        base_url = server.base_url.replace("127.0.0.1", PROXIED_HOST)
        async with AsyncClient("key", base_url=base_url) as client:
            await client.endpoint("ep").health()
        assert proxy.targets == [f"GET {base_url}/ep/health"]


@pytest.mark.filterwarnings("ignore:The base URL")
async def test_a_proxy_without_a_scheme_is_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying() as proxy, scripted(HEALTH) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
        async with AsyncClient("key", base_url=server.base_url.replace("127.0.0.1", PROXIED_HOST)) as client:
            await client.endpoint("ep").health()
        assert len(proxy.targets) == 1


@pytest.mark.filterwarnings("ignore:The base URL")
@pytest.mark.parametrize("password", ["p\u00e4ss", "p%C3%A4ss"])
async def test_a_proxy_password_may_not_be_ascii(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with proxying() as proxy, scripted(HEALTH) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", f"//user:{password}@"))
        async with AsyncClient("key", base_url=server.base_url.replace("127.0.0.1", PROXIED_HOST)) as client:
            await client.endpoint("ep").health()
        assert b"Basic " + b64encode("user:p\u00e4ss".encode()) in proxy.heads[0]


async def test_a_loopback_address_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying() as proxy, scripted(HEALTH) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with AsyncClient("key", base_url=server.base_url) as client:
            await client.endpoint("ep").health()
        assert proxy.targets == []
        assert len(server.requests) == 1


async def test_a_proxy_for_the_other_scheme_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying() as proxy, scripted(HEALTH) as server:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with AsyncClient("key", base_url=server.base_url) as client:
            await client.endpoint("ep").health()
        assert proxy.targets == []


async def test_a_refusing_proxy_is_named_and_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted([answer(403, "not you")]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url.removesuffix("/v2"))
        async with AsyncClient("key", base_url="https://server.example/v2", retry=RetryPolicy.disabled()) as client:
            with pytest.raises(RunpodError, match=r"through the proxy http://127\.0\.0\.1:.*ProxyError: 403") as caught:
                await client.endpoint("ep").run({"n": 1})
        assert getattr(caught.value, "request_sent", None) is False


async def test_plain_http_to_another_machine_warns() -> None:
    with pytest.warns(UserWarning, match="not encrypted"):
        client = AsyncClient("key", base_url="http://api.example/v2")
    await client.aclose()
    await AsyncClient("key", base_url="http://localhost:1/v2").aclose()


async def test_ids_and_keys_cannot_change_the_request() -> None:
    async with AsyncClient("key", base_url="http://127.0.0.1:1/v2") as client:
        for bad in ("", "a/b", "a?b", "a#b", "..", "a b", "a\r\nX: y", "ä", "a%2Fb"):
            with pytest.raises(ConfigurationError):
                client.endpoint(bad)
            with pytest.raises(ConfigurationError):
                client.endpoint("ep").job(bad)
    for bad in ("", " ", "a b", "a\r\nX: y", "ä", "a\x00b"):
        with pytest.raises(ConfigurationError):
            AsyncClient(bad)
