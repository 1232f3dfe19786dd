"""uvicorn in a thread of its own."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from runpod_typed.local._server.uvicorn_protocols import http_protocol
from runpod_typed.local._threads import DaemonThread

KEEP_ALIVE_SECONDS: Final = 75  # longer than any client's, so that no connection closes under a request
SHUTDOWN_SECONDS: Final = 2
BACKLOG: Final = 2048

logger = logging.getLogger("runpod_typed.local")


class _Server(uvicorn.Server):
    """A server that reports when it listens, and stops at once instead of after a check every 100 ms."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening
        self._stopping = asyncio.Event()
        self._refusing: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self.on_tick(0)
        self._listening()

    @override
    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # writes the Date header of the next second
            try:
                await asyncio.wait_for(self._stopping.wait(), timeout=1)
            except TimeoutError:
                continue

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down as uvicorn does, without its pauses of 100 ms: tests start many queues."""
        self._stop_listening()
        connections, requests = self.server_state.connections, self.server_state.tasks
        for connection in list(connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + SHUTDOWN_SECONDS
        while connections or requests:
            if asyncio.get_running_loop().time() > deadline:
                for request in list(requests):
                    request.cancel()
                break
            await asyncio.sleep(0.001)

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    def refuse_connections(self, host: str, port: int, seconds: float) -> None:
        """Break all connections and refuse new ones for some seconds."""
        self._stop_listening()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._refusing = asyncio.create_task(self._listen_again(host, port, seconds))

    async def _listen_again(self, host: str, port: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            await super().startup([listen(host, port)])
        except OSError:
            logger.exception("The local queue cannot listen again after its outage.")

    def _stop_listening(self) -> None:
        if self._refusing is not None:
            self._refusing.cancel()
        for server in self.servers:
            server.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Its protocol is TCP, which `socket.create_server` does not set: asyncio turns Nagle's algorithm off only then, and
    with it on, each response after the first of a connection comes 40 ms late.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # on Windows it would share the port
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener


class _WarningsOnly(logging.Filter):
    """Keeps the messages of this thread below WARNING out of the user's log."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or record.thread != self._thread


class ServerThread:
    """Serves an application from a listening socket. `build` makes it, in the server's event loop."""

    def __init__(self, listener: socket.socket, build: Callable[[], ASGIApp]) -> None:
        self._listener = listener
        self._build = build
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = DaemonThread(self._run, "runpod-typed local queue")
        self._server: _Server | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        """Start, and return the event loop once the server listens."""
        self._thread.start()
        error = self._started.exception()
        if error is not None:
            self._thread.wait()
            raise error
        return self._started.result()

    def stop(self) -> None:
        """Stop, and return when the thread is gone. May be repeated."""
        if self._server is not None and not self._thread.wait(0):
            with suppress(RuntimeError):  # the loop has closed
                self._started.result().call_soon_threadsafe(self._server.stop)
            self._thread.wait()

    def refuse_connections(self, host: str, port: int, seconds: float) -> None:
        """Break all connections and refuse new ones for some seconds. Call it in the event loop."""
        if self._server is not None:
            self._server.refuse_connections(host, port, seconds)

    def _run(self) -> None:
        warnings_only = _WarningsOnly()
        logging.getLogger("uvicorn.error").addFilter(warnings_only)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 -- `start` raises it in the caller's thread
            self._listener.close()
            if not self._started.done():
                self._started.set_exception(error)
        finally:
            logging.getLogger("uvicorn.error").removeFilter(warnings_only)

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self._build(),
            http=http_protocol(),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
        )
        self._server = _Server(config, partial(self._started.set_result, asyncio.get_running_loop()))
        await self._server.serve(sockets=[self._listener])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, if it is installed."""
    with suppress(ImportError):
        return cast("Callable[[], asyncio.AbstractEventLoop]", import_module("uvloop").new_event_loop)
    return None
