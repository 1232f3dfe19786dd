"""The proxy that the environment names for the API's host."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

from runpod_typed._models.secret import Secret
from runpod_typed._transport.connection import BaseUrl
from runpod_typed.errors import ConfigurationError


@frozen(kw_only=True)
class ProxyAddress:
    """A proxy, taken apart once."""

    scheme: str
    host: str
    port: int | None
    user: str = ""
    password: Secret = field(factory=lambda: Secret(""))


_PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


def proxy_for(base_url: BaseUrl) -> ProxyAddress | None:
    """The proxy that the environment names for the API's host; None where there is none, or the host goes without.

    Raises:
        ConfigurationError: It cannot be used.
    """
    proxies = getproxies()
    text = proxies.get(base_url.scheme) or proxies.get("all")
    if not text or proxy_bypass(base_url.host):
        return None
    proxy = _read_proxy(text if "://" in text else f"http://{text}")
    del proxies, text  # a traceback may show local variables, and these may hold a password
    if isinstance(proxy, str):
        raise ConfigurationError(
            f"{proxy} Correct the environment's proxy variables, or name {base_url.host} in NO_PROXY."
        )
    return proxy


def _read_proxy(text: str) -> ProxyAddress | str:
    """A proxy's address, or what is wrong with it, in words."""
    try:
        parts = urlsplit(text)
        address = ProxyAddress(
            scheme=parts.scheme,
            host=parts.hostname or "",
            port=parts.port,
            user=unquote(parts.username or ""),
            password=Secret(unquote(parts.password or "")),
        )
    except ValueError:
        return "The environment names a proxy that is no URL."
    if address.scheme not in _PROXY_SCHEMES or not address.host:
        return f"The environment names a proxy of the kind {address.scheme!r}, not http, https or socks5."
    if address.scheme.startswith("socks") and find_spec("socksio") is None:
        return "The environment names a SOCKS proxy, which needs the package socksio: install httpx[socks]."
    return address
