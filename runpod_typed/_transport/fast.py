"""The choice of the fast transports: HTTP/1.1 over plain sockets, with httptools as the parser.

They are used if the extra ``fast`` is installed, no proxy is set, and the environment's ``RUNPOD_TYPED_FAST`` is not
``0``; in the async API under asyncio alone.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from runpod_typed._synchronization import running_asyncio_loop
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.interface import AsyncTransport, Transport

if TYPE_CHECKING:
    import asyncio

SWITCH_VARIABLE: Final = "RUNPOD_TYPED_FAST"


def fast_transport(config: ConnectionConfig) -> Transport | None:
    """Return a fast transport for threads if it can be used, or None."""
    if not _may_be_used():
        return None
    from runpod_typed._transport.fast_sync import FastTransport  # noqa: PLC0415 -- it needs the extra

    return FastTransport(config)


def async_fast_transport(config: ConnectionConfig) -> AsyncTransport | None:
    """Return a fast transport for the running event loop if it can be used, or None."""
    if not _may_be_used() or running_asyncio_loop() is None:
        return None
    import asyncio  # noqa: PLC0415 -- it is loaded already

    from runpod_typed._transport.fast_asyncio import AsyncFastTransport  # noqa: PLC0415 -- it needs the extra

    loop = asyncio.get_running_loop()
    return AsyncFastTransport(config, loop) if watches_sockets(loop) else None


def watches_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an event loop has `add_reader`; that of Windows has not, unless it is chosen."""
    import asyncio  # noqa: PLC0415 -- it is loaded already

    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader


def load_fast_transport() -> None:
    """Import what a fast transport needs: at the first request, that would take much of a short `timeout`."""
    if _may_be_used():
        import_module("runpod_typed._transport.fast_sync")


def async_load_fast_transport() -> None:
    """Import what a fast transport needs, unless trio is in use."""
    if _may_be_used() and (running_asyncio_loop() is not None or "trio" not in sys.modules):
        import_module("runpod_typed._transport.fast_asyncio")


def _may_be_used() -> bool:
    return os.environ.get(SWITCH_VARIABLE) != "0" and find_spec("httptools") is not None
