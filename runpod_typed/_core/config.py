"""What a client is set up with, checked before anything is sent."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from inspect import currentframe
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import Attribute, field, frozen
from runpod_queue_api import wire

from runpod_typed._core.durations import Duration, to_seconds
from runpod_typed._core.http import HttpRequest
from runpod_typed._core.polling import PollPolicy
from runpod_typed._core.rate_limit import RateLimits
from runpod_typed._core.redaction import Secret
from runpod_typed._core.retry import RetryPolicy
from runpod_typed._version import __version__
from runpod_typed.errors import ConfigurationError

API_KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"
CONNECT_TIMEOUT = 5.0
KEEPALIVE_EXPIRY = 4.0  # common servers drop idle connections after 5 s; a request sent at that moment is lost
DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024  # the platform's own cap on a result is 20 MB

# As many connections as the platform allows requests at once: a pool that is smaller lets long-polls starve
# submissions.
POOL_SIZE = sum({limit.budget: limit.concurrent or 0 for limit in wire.OPERATION_LIMITS.values()}.values())

_COMMON_HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"User-Agent", f"runpod-typed/{__version__}".encode()),
)

BODY_TYPE = (b"Content-Type", b"application/json")

_ENDPOINT_ID = re.compile(wire.ENDPOINT_ID_PATTERN)
_JOB_ID = re.compile(wire.JOB_ID_PATTERN)
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


def _check_cap(_connection: ConnectionConfig, attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{attribute.name} must be a whole number of 1 or more, and was {value!r}.")


def check_http_client(given: object, kind: type) -> None:
    """See that a client of the caller's own is of the half that is to use it: the other's would send, and not hear.

    Raises:
        ConfigurationError: It is not.
    """
    if given is not None and not isinstance(given, kind):
        raise ConfigurationError(f"http_client= must be an httpx.{kind.__name__} here, not {type(given).__name__}.")


def check_owner(given: object, kind: type, *, alone: bool) -> None:
    """See that an endpoint's ``client=`` is a client of the same half, and that nothing contradicts it.

    Args:
        given: What the caller passed.
        kind: The half's client.
        alone: Whether neither a key nor a base URL is given besides.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if not isinstance(given, kind):
        raise ConfigurationError(f"client= must be {kind.__name__}(...) here, not {type(given).__name__}.")
    if not alone:
        raise ConfigurationError("client= has its key and base URL already: leave out api_key= and base_url=.")


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
    max_response_bytes: int = field(validator=_check_cap)
    idle_connections: int = POOL_SIZE

    def url(self, target: str) -> str:
        """The whole address, for people and for transports that take texts."""
        return f"{self.base_url}{target}"

    def headers(self, request: HttpRequest) -> list[tuple[bytes, bytes]]:
        """A request's headers, the key among them: never keep them in a local variable."""
        return [
            (b"Host", self.base_url.authority.encode()),
            *_COMMON_HEADERS,
            (b"Authorization", b"Bearer " + self.api_key.reveal().encode()),
            *(_body_headers(request.body) if request.method != "GET" else ()),
        ]


def _body_headers(body: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    return BODY_TYPE, (b"Content-Length", str(len(body or b"")).encode())


def _timeout(value: Duration) -> float:
    seconds = to_seconds(value, "timeout")
    if seconds == 0 or math.isinf(seconds):
        raise ConfigurationError(f"The timeout of one HTTP attempt must be above 0 and finite, and was {seconds:g} s.")
    return seconds


def _must_be(kind: type) -> Callable[[object, Attribute[Any], object], None]:
    """A validator for callers without a type checker: what is of another kind would fail at the first request."""

    def check(_instance: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}= must be a {kind.__name__}, not {type(value).__name__}.")

    return check


@frozen(kw_only=True, cache_hash=True)  # what follows from it is looked up at each wait
class CallConfig:
    """How calls are made; each client, endpoint and job may have its own."""

    timeout: float = field(converter=_timeout)
    retry: RetryPolicy = field(validator=_must_be(RetryPolicy))
    poll: PollPolicy = field(validator=_must_be(PollPolicy))
    rate_limits: RateLimits = field(validator=_must_be(RateLimits))
    leave_outputs: bool = False
    """Whether outputs are left as text, since their codec decodes them from it."""

    def but(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> CallConfig:
        """A copy with other options; None keeps one as it is."""
        return CallConfig(
            timeout=self.timeout if timeout is None else timeout,
            retry=self.retry if retry is None else retry,
            poll=self.poll if poll is None else poll,
            rate_limits=self.rate_limits if rate_limits is None else rate_limits,
            leave_outputs=self.leave_outputs,
        )


DEFAULT_CALL_CONFIG = CallConfig(
    timeout=DEFAULT_TIMEOUT, retry=RetryPolicy(), poll=PollPolicy(), rate_limits=RateLimits()
)


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
        warnings.warn(
            f"The base URL {url} is not encrypted: the API key and all inputs can be read on the way. Use https://.",
            UserWarning,
            stacklevel=_caller_level(),
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


def _caller_level() -> int:
    """How many frames above the one that calls this the first is that is not this package's: whom a warning is for."""
    own = __name__.partition(".")[0]
    level, frame = 0, currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == own:
        level, frame = level + 1, frame.f_back
    return level


def openai_base_url(connection: ConnectionConfig, endpoint_id: str) -> str:
    """Where an endpoint's workers speak OpenAI's API."""
    return connection.url(wire.OPENAI_BASE_PATH.format(endpoint_id=endpoint_id))


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


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_endpoint_id(endpoint_id: str | None) -> str:
    """The id, fit to stand in a path.

    Raises:
        ConfigurationError: It is None, empty, or has a character that no id has.
    """
    if endpoint_id is None:
        raise ConfigurationError(
            "The endpoint id is None: the environment variable that should hold it may not be set."
        )
    return _check_id(endpoint_id, _ENDPOINT_ID, "endpoint")


def check_job_id(job_id: str) -> str:
    """The id, fit to stand in a path.

    Raises:
        ConfigurationError: It is empty, or has a character that no id has.
    """
    return _check_id(job_id, _JOB_ID, "job")


def _check_id(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers without a checker
        raise ConfigurationError(f"The {what} id must be a text, not {type(value).__name__}.")
    if not value:
        raise ConfigurationError(f"The {what} id is empty.")
    if pattern.fullmatch(value) is None:
        hint = " Pass the id alone, not a URL or path." if "/" in value else ""
        raise ConfigurationError(
            f"The {what} id {value!r} has a character that no id has (letters, digits, '-', '_' are fine).{hint}"
        )
    return value
