"""Where requests go and what they carry: the base URL, the API key and the headers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from attrs import field, frozen
from runpod_queue_api import wire

from runpod_typed._models.secret import Secret
from runpod_typed._models.validators import warn_caller, whole_number
from runpod_typed._transport.messages import HttpRequest
from runpod_typed._version import __version__
from runpod_typed.errors import ConfigurationError

API_KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"
CONNECT_TIMEOUT = 5.0
KEEPALIVE_EXPIRY = 4.0  # common servers drop idle connections after 5 s; a request sent at that moment is lost
DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024  # the platform's own cap on a result is 20 MB

# As many connections as the platform allows requests at once: a pool that is smaller lets long-polls starve
# submissions.
POOL_SIZE = sum({limit.budget: limit.concurrent or 0 for limit in wire.OPERATION_LIMITS.values()}.values())

_COMMON_HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"User-Agent", f"runpod-typed/{__version__} (spec {wire.SPEC_VERSION})".encode()),
)

_KEY_HEADER, _KEY_PREFIX = wire.API_KEY_HEADER.encode(), wire.API_KEY_PREFIX.encode()

BODY_TYPE = (b"Content-Type", b"application/json")

_KEY = re.compile(r"[\x21-\x7e]+")  # visible ASCII: anything else could forge a header or break it


@frozen(kw_only=True)
class BaseUrl:
    """Where the API lives, taken apart once."""

    scheme: str
    host: str
    port: int | None
    path: str
    _text: str = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        # Each request needs it.
        object.__setattr__(self, "_text", f"{self.scheme}://{self.authority}{self.path}")

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return self._text


@frozen(kw_only=True)
class ConnectionConfig:
    """What all that share a client's connections have in common.

    Attributes:
        api_key: The key.
        base_url: Where the API lives.
        max_response_bytes: Bytes that an answer's body may have.
        idle_connections: How many connections are kept for later requests; 0 where nobody would close them.
    """

    api_key: Secret
    base_url: BaseUrl
    max_response_bytes: int = field(validator=whole_number(1))
    idle_connections: int = POOL_SIZE

    def url(self, target: str) -> str:
        """The whole address, for people and for transports that take texts."""
        return f"{self.base_url}{target}"

    def headers(self, request: HttpRequest) -> list[tuple[bytes, bytes]]:
        """A request's headers, the key among them: never keep them in a local variable."""
        return [
            (b"Host", self.base_url.authority.encode()),
            *_COMMON_HEADERS,
            (_KEY_HEADER, _KEY_PREFIX + self.api_key.reveal().encode()),
            *request.headers,
            *(_body_headers(request.body) if request.method != "GET" else ()),
        ]


def _body_headers(body: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    return BODY_TYPE, (b"Content-Length", str(len(body or b"")).encode())


def api_key_from_environment() -> str:
    """The key that the environment holds.

    Raises:
        ConfigurationError: It holds none.
    """
    return resolve_api_key(None, os.environ).reveal()


def resolve_api_key(given: str | Secret | None, environ: Mapping[str, str], *, pickled: bool = False) -> Secret:
    """The key that the caller gave, or else the environment's.

    Raises:
        ConfigurationError: There is none, or it cannot be a key.
    """
    key = environ.get(API_KEY_VARIABLE) if given is None else given
    key = key.reveal() if isinstance(key, Secret) else key
    problem = _key_problem(key, API_KEY_VARIABLE if given is None else "api_key")
    flag: object = pickled  # to callers without a type checker, "no" may be a no
    if not isinstance(flag, bool):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        problem = f"pickle_api_key= must be True or False, not {type(flag).__name__}."
    secret = Secret(None if problem else str(key).strip(), api_key_from_environment, pickled=pickled)
    del given, environ, key  # a traceback may show local variables
    if problem is not None:
        raise ConfigurationError(problem)
    return secret


def _key_problem(key: object, source: str) -> str | None:
    if key is None:
        return (
            f"There is no API key. Set {API_KEY_VARIABLE}, or pass api_key=. "
            "Keys are made in the Runpod console under Settings."
        )
    if not isinstance(key, str):
        return f"The API key from {source} must be a text, not {type(key).__name__}."
    if not key.strip():
        return f"The API key from {source} is empty."
    if not _KEY.fullmatch(key.strip()):
        # Not shown: it may be a good key with a bad character.
        return f"The API key from {source} has a character that no key has (a space, a line break or the like)."
    return None


def resolve_base_url(given: str | Secret | None, environ: Mapping[str, str]) -> BaseUrl:
    """The base URL that the caller gave, or the environment's, or else the platform's.

    Raises:
        ConfigurationError: It is no http or https URL of a host, or holds more than a path.
    """
    text = given.reveal() if isinstance(given, Secret) else given
    url = _read_base_url(str(text or environ.get(BASE_URL_VARIABLE) or wire.SERVER_URL).strip())
    del given, text, environ  # a traceback may show local variables, and these may hold a password or the key
    if isinstance(url, str):
        raise ConfigurationError(url)
    if url.scheme == "http" and not is_loopback(url.host):
        warn_caller(
            f"The base URL {url} is not encrypted: the API key and all inputs can be read on the way. Use https://."
        )
    return url


def _read_base_url(text: str) -> BaseUrl | str:
    """A base URL, or what is wrong with it, in words."""
    _, userinfo, rest = text.rpartition("@")
    shown = repr(("***@" if userinfo else "") + re.split(r"[?#]", rest)[0])  # without what may be a password or a key
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return f"The base URL is not a URL, its host or port cannot be read: {shown}."
    if parts.username is not None or parts.password is not None:
        return "The base URL must not hold a user name or password; the API key goes into api_key=."
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"The base URL must begin with https:// and name a host, and was {shown}."
    if parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]*", text):
        return f"The base URL must be a scheme, a host and a path, nothing more, and was {shown}."
    return BaseUrl(scheme=parts.scheme, host=parts.hostname, port=port, path=parts.path.rstrip("/"))


def openai_base_url(connection: ConnectionConfig, endpoint_id: str) -> str:
    """Where an endpoint's workers speak OpenAI's API."""
    return connection.url(wire.OPENAI_BASE_PATH.format(endpoint_id))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
