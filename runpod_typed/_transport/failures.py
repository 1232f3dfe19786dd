"""Tell the failures of an HTTP attempt from exceptions that only pass through it, such as a signal handler's."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from traceback import walk_tb
from types import CellType, CodeType, FrameType
from typing import Any, Final, cast

from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.messages import TransportFailure

_CLOCK_TOLERANCE: Final = 0.05
_OWN_MODULES: Final = frozenset(
    {"builtins", "socket", "ssl", "asyncio", "aiohttp", "h11", "httpcore", "httpx", "anyio", "trio"}
)


def foreign_exception(
    error: BaseException,
    failures: tuple[type[BaseException], ...],
    connecting: tuple[type[BaseException], ...],
    attempt: Attempt,
) -> BaseException | None:
    """Return the exception that only passed through the attempt, or None if it failed.

    HTTP libraries take each TimeoutError and OSError for a socket's, also one that a signal handler raised, which may
    be of any class; aiohttp's task that writes a body wraps any exception.

    Args:
        error: The exception that a library raised.
        failures: The exceptions that the library raises for failed attempts.
        connecting: Those of them that it raises while it connects, for which it has a time limit of its own.
        attempt: The attempt.
    """
    if not isinstance(error, failures):
        return error
    raised = raised_by_signal_handler(error)
    if raised is not None:
        return raised
    for cause in _causes(error):
        if _module(cause) not in _OWN_MODULES and (isinstance(cause, OSError) or _module(error) == "aiohttp"):
            return cause
        numbered = not isinstance(cause, OSError) or cause.errno is not None  # as a socket's own are
        early = type(cause) is TimeoutError and attempt.left() > _CLOCK_TOLERANCE
        plain = type(cause) is OSError and cause is not error
        if not numbered and (early or plain) and not isinstance(error, connecting):
            return cause
    return None


def raised_by_signal_handler(error: BaseException) -> BaseException | None:
    """Return the exception of a signal handler that an exception comes from, or None."""
    handlers = _signal_handlers()
    for cause in _causes(error):
        frames = walk_tb(cause.__traceback__)
        if any(_runs(frame, handler) for frame, _ in frames for handler in handlers):
            return cause
    return None


def _signal_handlers() -> list[Any]:
    """Return the functions of the signal handlers, one of which may have raised an exception."""
    found = list[Any]()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        if callable(handler):
            functions: tuple[Any, ...] = handler, getattr(handler, "func", None), type(handler).__call__
            found += [function for function in functions if hasattr(function, "__code__")]
    return found


def _runs(frame: FrameType, function: Any) -> bool:
    """Return whether a frame is that of the function, and not of another one that the same decorator has made."""
    code: CodeType = function.__code__
    if frame.f_code is not code:
        return False
    variables = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False)
    return all(_content(cell) is frame.f_locals.get(name) for name, cell in variables)


def _content(cell: CellType) -> object:
    try:
        return cast("object", cell.cell_contents)
    except ValueError:  # it is empty
        return None


def _module(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def transport_failure(
    error: BaseException, attempt: Attempt, *, request_sent: bool, timed_out: bool, proxy: str | None = None
) -> TransportFailure:
    """Return the failure that an exception of an HTTP library amounts to."""
    name, text = type(error).__name__, _text(error)
    return TransportFailure(
        reason=f"{name}: {text}" if text else name,
        request_sent=request_sent,
        timed_out=timed_out,
        certificate_refused=any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)),
        bytes_sent=None if request_sent else attempt.bytes_sent,
        proxy=proxy,
    )


def _text(error: BaseException) -> str:
    """Return the text of an error of the operating system if there is one: anyio's own names no reason."""
    *_, first = _causes(error)
    if isinstance(first, BaseExceptionGroup):  # one error for each address of the host
        first = cast("BaseExceptionGroup[BaseException]", first).exceptions[0]
    return str(first if isinstance(first, OSError) and first.errno is not None else error)


def without_frames(error: BaseException, outer: BaseException | None) -> BaseException:
    """Drop the tracebacks of an exception and its contexts, since the frames of HTTP libraries hold the API key.

    Args:
        error: The exception.
        outer: The exception that was being handled before the attempt; it stays as it is.
    """
    context: BaseException | None = error
    while context is not None and context is not outer:
        context.__traceback__ = None
        context = context.__context__
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
