"""The callers that are let in: by key, and by where they come from."""

import ipaddress
import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from attrs import field, frozen


@frozen
class Access:
    """The callers that are let in."""

    api_key: str = field(repr=False)
    """For clients; workers may present it too, as on the platform."""
    worker_token: str = field(repr=False)
    hosts: set[str] | None
    """Names by which callers may address the queue, besides IP addresses and localhost; None for any name."""
    page_token: str = field(factory=partial(secrets.token_urlsafe, 24), repr=False)
    """For the page's own requests."""


def known_hosts(host: str) -> set[str] | None:
    """Return the `Access.hosts` of a queue that listens on this address: any if it is open to the network."""
    name = host.lower()
    with suppress(ValueError):
        return {name} if ipaddress.ip_address(name).is_loopback else None
    return {name} if name == "localhost" else None


def presented_key(authorization: str | None) -> str | None:
    """Return the key of an Authorization header, with or without the scheme `Bearer` (in any case)."""
    if authorization is None:
        return None
    scheme, _, key = authorization.strip().partition(" ")
    presented = key.strip() if scheme.lower() == "bearer" else authorization.strip()
    return presented or None


def same_key(presented: str, expected: str) -> bool:
    """Compare in constant time."""
    return secrets.compare_digest(presented.encode("latin-1", "replace"), expected.encode())


def browser_problem(headers: Mapping[str, str], hosts: set[str] | None) -> str | None:
    """Return why a request looks like one of a foreign web page, or None.

    A page can reach this machine by a name of its own that resolves to 127.0.0.1 (DNS rebinding), so the Host header
    must be an address or a known name. Any other page sends its origin, or is called cross-site by the browser.
    """
    host = headers.get("host", "")
    if hosts is not None and not _is_known_host(host, hosts):
        return f"the host {host[:100]!r} is not allowed: use the address of the queue's base_url"
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
        return f"requests from other web pages are not allowed (origin {origin[:100]!r})"
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "requests from other web pages are not allowed"
    return None


def _is_known_host(header: str, hosts: set[str]) -> bool:
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name == "localhost" or name.endswith(".localhost") or name in hosts
