"""The base URL, the API key and the headers of requests."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from typing import Final, TypeGuard
from urllib.parse import urlsplit

from attrs import field, frozen
from runpod_queue_api import wire

from runpod_typed._models.secret import MaskedBytes, Secret
from runpod_typed._models.user_warnings import warn_caller
from runpod_typed._models.validators import whole_number
from runpod_typed._transport.messages import HttpRequest
from runpod_typed._version import __version__
from runpod_typed.errors import ConfigurationError

API_KEY_VARIABLE: Final = "RUNPOD_API_KEY"
BASE_URL_VARIABLE: Final = "RUNPOD_ENDPOINT_BASE_URL"
CONNECT_TIMEOUT: Final = 5.0
KEEPALIVE_EXPIRY: Final = 55.0
"""Seconds after which an idle connection is closed; common proxies close theirs after 60 s."""
RECENT_USE: Final = 0.5
"""Seconds of idleness after which a connection may be lost; some servers close theirs after 1 s."""

_RESULT_CAP: Final = 20 * 1024 * 1024  # the platform's cap on a job's result
DEFAULT_MAX_RESPONSE_BYTES: Final = _RESULT_CAP + 1024 * 1024
"""Bytes that a response's body may have by default: a result and the rest of a job's state."""

# As many connections as the platform allows requests at once: in a smaller pool, long polls starve submissions.
POOL_SIZE: Final = sum({limit.budget: limit.concurrent or 0 for limit in wire.OPERATION_LIMITS.values()}.values())

_COMMON_HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"User-Agent", f"runpod-typed/{__version__} (spec {wire.SPEC_VERSION})".encode()),
)

_KEY_HEADER, _KEY_PREFIX = wire.API_KEY_HEADER.encode(), wire.API_KEY_PREFIX.encode()

BODY_TYPE = (b"Content-Type", b"application/json")

_HOST = re.compile(r"[^.]{1,63}(\.[^.]{1,63})*\.?")  # Python cannot resolve others
_KEY = re.compile(r"[\x21-\x7e]+")  # visible ASCII: anything else could forge a header or break it


@frozen(kw_only=True)
class BaseUrl:
    """The base URL of the API in parts."""

    scheme: str
    host: str
    port: int | None
    path: str
    _text: str = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_text", f"{self.scheme}://{self.authority}{self.path}")

    @property
    def authority(self) -> str:
        """The host and port as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return self._text


@frozen(kw_only=True)
class ConnectionConfig:
    """The settings that all clients with shared connections have in common."""

    api_key: Secret
    base_url: BaseUrl
    max_response_bytes: int = field(validator=whole_number(1))
    """Bytes that a response's body may have, decompressed."""
    idle_connections: int = POOL_SIZE
    """The number of connections that are kept for later requests; 0 if the client is never closed."""

    def url(self, target: str) -> str:
        """Return the whole URL of a request."""
        return f"{self.base_url}{target}"

    def headers(self, request: HttpRequest) -> list[tuple[bytes, bytes]]:
        """Return the headers of a request; the repr of the API key is masked."""
        return [
            (b"Host", self.base_url.authority.encode()),
            *_COMMON_HEADERS,
            (_KEY_HEADER, MaskedBytes(_KEY_PREFIX + self.api_key.reveal().encode())),
            *request.headers,
            *(_body_headers(request.body) if request.method != "GET" else ()),
        ]


def _body_headers(body: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    return BODY_TYPE, (b"Content-Length", str(len(body or b"")).encode())


def api_key_from_environment() -> str:
    """Return the API key of the environment.

    Raises:
        ConfigurationError: There is none.
    """
    return resolve_api_key(None).reveal()


def resolve_api_key(given: str | Secret | None, *, pickled: bool = False) -> Secret:
    """Return the given API key, or else the environment's.

    Raises:
        ConfigurationError: There is none, or it cannot be a key.
    """
    problem = _key_problem(given)
    flag: object = pickled
    if not isinstance(flag, bool):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers without a type checker
        problem = f"pickle_api_key= must be True or False, not {type(flag).__name__}."
    if problem is not None:
        raise ConfigurationError(problem)
    return Secret(str(_revealed(given, API_KEY_VARIABLE)).strip(), api_key_from_environment, pickled=pickled)


def _revealed(given: str | Secret | None, variable: str) -> str | None:
    if given is None:
        return os.environ.get(variable)
    return given.reveal() if isinstance(given, Secret) else given


def _key_problem(given: str | Secret | None) -> str | None:
    """Return the reason why a key cannot be one, or None."""
    key: object = _revealed(given, API_KEY_VARIABLE)
    source = API_KEY_VARIABLE if given is None else "api_key"
    if key is None:
        return (
            f"There is no API key. Set {API_KEY_VARIABLE}, or pass api_key=. "
            "Keys are made in the Runpod console under Settings."
        )
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers without a type checker
        return f"{source} must be a str, not {type(key).__name__}."
    if not key.strip():
        return f"The API key from {source} is empty."
    if not _KEY.fullmatch(key.strip()):
        # Not shown: it may be a good key with a bad character.
        return f"The API key from {source} has a character that no key has (a space, a line break or the like)."
    return None


def resolve_base_url(given: str | Secret | None) -> BaseUrl:
    """Return the given base URL, or the environment's, or Runpod's.

    Raises:
        ConfigurationError: It is not an http or https URL of a host, or holds more than a path.
    """
    url = _read_base_url(given)
    if isinstance(url, str):
        raise ConfigurationError(url)
    if url.scheme == "http" and not is_loopback(url.host):
        warn_caller(
            f"The base URL {url} is not encrypted: the API key and all inputs can be read on the way. Use https://."
        )
    return url


def _read_base_url(given: str | Secret | None) -> BaseUrl | str:
    """Return a base URL, or the reason why it cannot be used."""
    text = str(_revealed(given, BASE_URL_VARIABLE) or os.environ.get(BASE_URL_VARIABLE) or wire.SERVER_URL).strip()
    _, userinfo, rest = text.rpartition("@")
    shown = repr(("***@" if userinfo else "") + re.split(r"[?#]", rest)[0])  # without what may be a password or a key
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return f"The base URL is not a URL, its host or port cannot be read: {shown}."
    if parts.username is not None or parts.password is not None:
        return "The base URL must not hold a user name or password; the API key goes into api_key=."
    if parts.scheme not in {"http", "https"} or not is_host(parts.hostname):
        return f"The base URL must begin with https:// and name a host, not {shown}."
    if parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]*", text):
        return f"The base URL must be a scheme, a host and a path, and nothing more: {shown}."
    return BaseUrl(scheme=parts.scheme, host=parts.hostname, port=port, path=parts.path.rstrip("/"))


def openai_base_url(connection: ConnectionConfig, endpoint_id: str) -> str:
    """Return the URL under which an endpoint's workers speak OpenAI's API."""
    return connection.url(wire.OPENAI_BASE_PATH.format(endpoint_id))


def is_host(text: str | None) -> TypeGuard[str]:
    """Return whether a string can be the name or the address of a host."""
    return text is not None and text.isascii() and _HOST.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
