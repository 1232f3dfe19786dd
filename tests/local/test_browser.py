"""The queue behind a browser: no web page of another site may call it."""

import pytest

from runpod_typed.local import LocalQueue
from runpod_typed.local._server.access import browser_problem, known_hosts
from tests.local.caller import Caller


def status(queue: LocalQueue, **headers: str) -> int:
    sent = {"Authorization": queue.api_key} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Caller(queue).call("GET", "/health", headers=sent).status


FOREIGN_HOSTS = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[evil", "localhost.evil"]
OWN_HOSTS = ["127.0.0.1", "localhost:1", "LOCALHOST", "app.localhost", "[::1]:80", "192.168.0.7:80"]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_host_is_refused(queue: LocalQueue, host: str) -> None:
    assert status(queue, Host=host) == 403


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_addresses_and_localhost_are_accepted(queue: LocalQueue, host: str) -> None:
    assert status(queue, Host=host) == 200


def test_host_of_worker_environment_is_accepted(queue: LocalQueue) -> None:
    assert status(queue, Host="host.docker.internal:80") == 403
    queue.worker_environment(host="host.docker.internal")
    assert status(queue, Host="host.docker.internal:80") == 200


def test_queue_open_to_the_network_accepts_any_host() -> None:
    assert (known_hosts("127.0.0.2"), known_hosts("localhost")) == ({"127.0.0.2"}, {"localhost"})
    assert (known_hosts("0.0.0.0"), known_hosts("queue")) == (None, None)
    assert browser_problem({"host": "queue:8000"}, None) is None
    assert browser_problem({"host": "queue:8000", "origin": "http://evil.example"}, None) is not None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", ""])
def test_foreign_origin_is_refused(queue: LocalQueue, origin: str) -> None:
    assert status(queue, Origin=origin) == 403


SITES = [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]


@pytest.mark.parametrize(("site", "expected"), SITES)
def test_cross_site_requests_are_refused(queue: LocalQueue, site: str, expected: int) -> None:
    assert status(queue, Sec_Fetch_Site=site) == expected


def test_own_pages_are_accepted(queue: LocalQueue) -> None:
    assert status(queue, Origin=queue.base_url.removesuffix("/v2")) == 200


def test_refusal_says_what_to_do() -> None:
    assert browser_problem({"host": "evil.example"}, set()) == (
        "the host 'evil.example' is not allowed: use the address of the queue's base_url"
    )


@pytest.mark.parametrize("part", ["header", "endless header", "path"])
def test_request_headers_have_a_size_limit(queue: LocalQueue, part: str) -> None:
    connection = Caller(queue).connect()
    connection.connect()
    start = b"GET /" if part == "path" else b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "
    data = start + b"x" * 5_000_000
    try:
        connection.sock.sendall(data if part == "endless header" else data + b"\r\n\r\n")
        received = connection.sock.recv(1000)
    except ConnectionError:
        received = b""
    connection.close()
    assert received[:12] in {b"HTTP/1.1 400", b""}
    assert status(queue) == 200


def test_large_bodies_are_not_counted_as_headers(queue: LocalQueue) -> None:
    client = Caller(queue)
    connection = client.connect()
    for _ in range(3):
        assert client.call("POST", "/run", {"input": "x" * 1_000_000}, connection=connection).status == 200
    connection.close()
