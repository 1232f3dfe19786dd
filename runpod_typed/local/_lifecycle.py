"""Starts and stops the parts of a queue, and passes calls from other threads into its event loop."""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.types import ASGIApp

from runpod_typed.local._archive import Archive
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._options import QueueOptions
from runpod_typed.local._page.routes import page_routes
from runpod_typed.local._runtime import QueueRuntime, Worker
from runpod_typed.local._server.app import BASE_PATH, build_app
from runpod_typed.local._server.uvicorn_thread import ServerThread, listen
from runpod_typed.local._webhooks import WebhookSender
from runpod_typed.local._workers.handler_worker import HandlerWorker
from runpod_typed.local._workers.process_worker import ProcessWorker

T = TypeVar("T")
KEPT_HISTORY: Final = 500
WEBHOOK_PAUSE: Final = 10.0


class QueueLifecycle:
    """A server in a thread of its own, the queue behind it, and the queue's workers."""

    def __init__(self, options: QueueOptions) -> None:
        self.access = options.make_access()
        self.workers: list[Worker] = []
        self._options = options
        self._port = options.port
        self._process_id = os.getpid()
        self._runtime: QueueRuntime | None = None
        self._server: ServerThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()  # keeps the event loop running while another thread uses it
        self._stop_lock = threading.Lock()

    @property
    def running(self) -> bool:
        """True between start and stop."""
        return self._loop is not None

    @property
    def worker_output(self) -> str:
        """The last lines that the worker processes wrote."""
        return "" if self._runtime is None else "".join(line.text for line in list(self._runtime.log))

    @property
    def local_host(self) -> str:
        """The host in URLs for this machine."""
        host = self._options.host
        return "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104 -- compared, not bound

    def url(self, host: str) -> str:
        """Return the URL above the endpoint."""
        if self._runtime is None:
            raise RuntimeError("the queue was not started: use `with LocalQueue(...) as queue:` or call start()")
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}{BASE_PATH}"

    def worker_url(self, host: str | None = None) -> str:
        """Return the URL of the endpoint, as workers take it."""
        return f"{self.url(host or self.local_host)}/{self._options.endpoint_id}"

    def start(self) -> None:
        """Start, and return when the server listens."""
        if self._server is not None:
            raise RuntimeError("the queue is already running")
        listener = listen(self._options.host, self._port)
        self._port = listener.getsockname()[1]
        server = ServerThread(listener, self._build)
        self._loop = server.start()
        self._server = server
        self._process_id = os.getpid()
        if self._runtime is not None:
            self.workers = self._make_workers(self._runtime, self._loop)
            for worker in self.workers:
                worker.start()

    def stop(self) -> list[str]:
        """Stop, and return warnings about what is left. May be repeated."""
        if self._process_id != os.getpid():
            return []  # a forked child has no part in it
        with self._stop_lock:
            if self._server is None:
                return []
            for worker in self.workers:
                worker.stop()
            if self._loop is not None and self._runtime is not None:
                asyncio.run_coroutine_threadsafe(self._runtime.close(), self._loop).result()
            problems = [problem for worker in self.workers for problem in worker.join()]
            with self._lock:
                self._loop = None
            self._server.stop()
            self._server = None
        return problems

    def act(self, action: Callable[[QueueRuntime], T]) -> T:
        """Do something in the event loop, and wait for it."""
        if self._process_id != os.getpid():
            raise RuntimeError("the queue is not running in this process")
        with self._lock:
            runtime, loop = self._runtime, self._loop
            if runtime is None or loop is None:
                raise RuntimeError("the queue is not running")

            async def act() -> T:
                return action(runtime)

            return asyncio.run_coroutine_threadsafe(act(), loop).result()

    def read(self, read: Callable[[QueueRuntime], T]) -> T:
        """Read something, also after the queue has stopped."""
        if self._loop is None and self._runtime is not None:
            return read(self._runtime)  # nothing else uses it
        return self.act(read)

    def refuse_connections(self, seconds: float) -> None:
        """Break all connections and refuse new ones for some seconds. Call it in the event loop."""
        if self._server is not None:
            self._server.refuse_connections(self._options.host, self._port, seconds)

    def _build(self) -> ASGIApp:
        options = self._options
        settings = EngineSettings(time_scale=options.time_scale, history=KEPT_HISTORY if options.page else 0)
        self._runtime = QueueRuntime(
            options.endpoint_id,
            settings=settings,
            webhooks=WebhookSender(settings.scaled(WEBHOOK_PAUSE)),
            faults=options.faults,
            auto_advance=options.auto_advance,
            archive=Archive(options.persist) if options.persist is not None else None,
        )
        page = page_routes(self._runtime, self.access) if options.page else ()
        return build_app(self._runtime, self.access, options.limits, page)

    def _make_workers(self, runtime: QueueRuntime, loop: asyncio.AbstractEventLoop) -> list[Worker]:
        config, command, count = self._options.config, self._options.command, range(self._options.workers)
        if config is not None:
            return [HandlerWorker(config, runtime, loop) for _ in count]
        if command is not None:
            url, token, on_output = self.worker_url(), self.access.worker_token, self._options.on_worker_output
            return [ProcessWorker(command, url, token, runtime, loop, on_output=on_output) for _ in count]
        return []
