"""Map the exceptions of HTTP libraries to a `TransportFailure`."""

from __future__ import annotations

import httpcore
import httpx

from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import ConfigurationError

# The classes of httpx and of httpcore, its lower layer, have the same names and meanings.
_NEVER_SENT: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_TIMED_OUT: tuple[type[BaseException], ...] = (httpx.TimeoutException, httpcore.TimeoutException, TimeoutError)

# httpx-aiohttp raises `httpx.ConnectTimeout` for answers that were lost too; under it, these causes alone mean that no
# connection was made.
_AIOHTTP_NEVER_SENT = frozenset({"ClientConnectorError", "ConnectionTimeoutError"})


def transport_failure(error: Exception, *, request_sent: bool | None = None) -> TransportFailure:
    """What a transport's exception amounts to.

    Args:
        error: The exception.
        request_sent: Whether anything left this machine, where that is known; that it was no part of the request, the
            exception's class may tell.

    Raises:
        ConfigurationError: It is that: there is no key to send.
    """
    if isinstance(error, ConfigurationError):
        raise error
    cause = _aiohttp_cause(error)
    # A proxy that refuses was asked, and the request was not sent all the same.
    never_sent = isinstance(error, _NEVER_SENT) if cause is None else _is_never_sent(cause)
    meant = error if cause is None else cause
    name, text = type(meant).__name__, str(meant)
    return TransportFailure(
        reason=f"{name}: {text}" if text else name,
        request_sent=not never_sent and request_sent is not False,
        timed_out=isinstance(meant, _TIMED_OUT),
    )


def _aiohttp_cause(error: Exception) -> BaseException | None:
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" else None


def _is_never_sent(aiohttp_error: BaseException) -> bool:
    return any(base.__name__ in _AIOHTTP_NEVER_SENT for base in type(aiohttp_error).__mro__)
