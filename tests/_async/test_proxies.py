# Proxies that fail.
"""A connection through a proxy that fails, or does not come about in time, is closed, and nothing was sent."""

from __future__ import annotations

import gc
from typing import Final

import httpx
import pytest

from runpod_typed import APIConnectionError, APITimeoutError, AsyncClient
from tests._async.ways import ONCE, until
from tests.stubborn_servers import Handshake, handshaking

pytestmark = pytest.mark.anyio

SOCKS_CHOICE: Final = b"\x05\x00"
SOCKS_REFUSED: Final = b"\x05\x05\x00\x01" + bytes(6)
CONNECTED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

CUT_OFF: Final[dict[str, tuple[str, Handshake]]] = {
    "socks closes": ("socks5", []),
    "socks half a choice": ("socks5", [b"\x05"]),
    "socks no method": ("socks5", [b"\x05\xff"]),
    "socks closes after the choice": ("socks5", [SOCKS_CHOICE, b""]),
    "socks half a reply": ("socks5", [SOCKS_CHOICE, SOCKS_REFUSED[:3]]),
    "socks refuses": ("socks5", [SOCKS_CHOICE, SOCKS_REFUSED]),
    "socks that speaks HTTP": ("socks5", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
    "connect closes": ("http", []),
    "connect half a head": ("http", [b"HTTP/1.1 200 Conn"]),
    "connect refuses": ("http", [b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"]),
    "connect without TLS": ("http", [CONNECTED, b"this is not TLS"]),
    "connect closes before TLS": ("http", [CONNECTED, b""]),
}
SILENT: Final[dict[str, tuple[str, Handshake]]] = {
    "socks": ("socks5", [None]),
    "socks after the choice": ("socks5", [SOCKS_CHOICE, None]),
    "connect": ("http", [None]),
    "connect half a head": ("http", [b"HTTP/1.1 200 Conn", None]),
    "connect before TLS": ("http", [CONNECTED, None]),
}


async def failure(monkeypatch: pytest.MonkeyPatch, scheme: str, handshake: Handshake) -> APIConnectionError:
    """Return the error of a submission, after all connections to the proxy were closed."""
    with handshaking(handshake) as proxy:
        for variable in ("HTTPS_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}")
        async with AsyncClient("key", base_url="https://server.example/v2", retry=ONCE) as client:
            limit = 0.1 if None in handshake else 30.0
            while True:
                with pytest.raises(APIConnectionError) as caught:
                    await client.endpoint("ep").run({"n": 1}, timeout=limit)
                if proxy.accepted:
                    break
                limit *= 2
            await until(lambda: proxy.accepted == proxy.closed == 1)
    assert not caught.value.request_sent
    assert f"127.0.0.1:{proxy.port}" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("scheme", "handshake"), CUT_OFF.values(), ids=list(CUT_OFF))
async def test_a_handshake_that_is_cut_off_leaves_no_socket(
    monkeypatch: pytest.MonkeyPatch, scheme: str, handshake: Handshake
) -> None:
    assert not isinstance(await failure(monkeypatch, scheme, handshake), APITimeoutError)


@pytest.mark.parametrize(("scheme", "handshake"), SILENT.values(), ids=list(SILENT))
async def test_a_handshake_that_times_out_leaves_no_socket(
    monkeypatch: pytest.MonkeyPatch, scheme: str, handshake: Handshake
) -> None:
    assert isinstance(await failure(monkeypatch, scheme, handshake), APITimeoutError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpx leaves sockets to the collector
@pytest.mark.parametrize("handshake", [handshake for scheme, handshake in CUT_OFF.values() if scheme == "socks5"])
async def test_a_custom_client_s_socks_error_becomes_ours(handshake: Handshake) -> None:
    with handshaking(handshake) as proxy:
        async with httpx.AsyncClient(proxy=f"socks5://127.0.0.1:{proxy.port}", verify=False) as own:
            client = AsyncClient("key", base_url="https://server.example/v2", retry=ONCE, http_client=own)
            with pytest.raises(APIConnectionError) as caught:
                await client.endpoint("ep").run({"n": 1})
            assert not caught.value.request_sent
            del caught
        gc.collect()
