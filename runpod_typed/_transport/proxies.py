"""The proxy that the environment names for the API's host."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from runpod_typed._models.secret import Secret
from runpod_typed._transport.connection import BaseUrl, is_host, is_loopback
from runpod_typed.errors import ConfigurationError


@frozen(kw_only=True)
class ProxyAddress:
    """A proxy's address in parts."""

    scheme: str
    host: str
    port: int | None
    user: str = ""
    password: Secret = field(factory=lambda: Secret(""))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if self.port is None else f"{self.scheme}://{host}:{self.port}"


_PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


def socks_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of the package socksio, which httpcore lets through; none if it is not installed."""
    socksio = sys.modules.get("socksio")  # httpcore imports it
    return () if socksio is None else (socksio.SOCKSError,)


def proxy_for(base_url: BaseUrl) -> ProxyAddress | None:
    """Return the proxy that the environment names for the API's host, or None. Loopback addresses have none.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if is_loopback(base_url.host):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 -- slow to import

    if proxy_bypass(base_url.host) or proxy_bypass(base_url.authority):
        return None
    proxy = _read_proxy(base_url.scheme, getproxies())
    if isinstance(proxy, str):
        raise ConfigurationError(
            f"{proxy} Correct the environment's proxy variables, or name {base_url.host} in NO_PROXY."
        )
    return proxy


def _read_proxy(scheme: str, proxies: Mapping[str, str]) -> ProxyAddress | str | None:
    """Return the proxy for a scheme of URLs, or the reason why it cannot be used."""
    text = proxies.get(scheme) or proxies.get("all")
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        address = ProxyAddress(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port,
            user=unquote(parts.username or ""),
            password=Secret(unquote(parts.password or "")),
        )
    except ValueError:
        return "The environment names a proxy that is not a URL."
    if not is_host(address.host):
        return "The environment names a proxy without a host, or with one that cannot be resolved."
    if address.scheme not in _PROXY_SCHEMES:
        return f"The environment names a proxy of the kind {address.scheme!r}, not http, https or socks5."
    if address.scheme.startswith("socks") and find_spec("socksio") is None:
        return "The environment names a SOCKS proxy, which needs the package socksio: install httpx[socks]."
    return address
