"""The local queue as people start it."""

import asyncio
import atexit
import os
import re
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from runpod_queue_api import wire
from starlette.types import ASGIApp

from runpod_typed.local._app import BASE_PATH, OPERATION_NAMES, Keys, build_app
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._engine.statistics import QueueStats
from runpod_typed.local._faults import FaultKind, FaultPlan, Faults, Injection
from runpod_typed.local._handlers import Handler, HandlerConfig, HandlerWorker, read_config
from runpod_typed.local._limits import Limits, make_budgets
from runpod_typed.local._server import ServerThread, listen
from runpod_typed.local._service import QueueService, Worker
from runpod_typed.local._webhooks import WebhookSender
from runpod_typed.local._workers import WorkerProcess, worker_variables

T = TypeVar("T")


class LocalQueue:
    """A queue endpoint on this machine, for people without an account and for tests.

    It answers like `https://api.runpod.ai/v2` and gives the jobs to a handler in this process. `start` (or entering the
    `with` block) returns when it listens; `stop` (or leaving the block) leaves no process, thread or socket behind.

    Args:
        handler: Runs the jobs: a plain, async, generator or async generator function of the job, or the dict that one
            would give to `runpod.serverless.start`.
        worker: The command of a real worker, such as `[sys.executable, "handler.py"]`: it is started as a subprocess,
            and again when it ends. With neither handler nor worker, jobs wait for workers that are started elsewhere
            (`worker_environment`).
        workers: How many workers to start.
        endpoint_id: The endpoint's id; any other is answered with 404.
        api_key: What clients must present; None makes a random one.
        host: The address to listen on. Anything but loopback opens the queue to the network.
        port: The port to listen on; 0 takes a free one.
        limits: None enforces no rate limits, `"published"` the documented ones; a mapping from operation id or budget
            to a `Limit` (or None) enforces the documented ones with these changes.
        time_scale: Factor above 0 for ttl, retention, execution timeout and webhook delays: with 0.001, a result is
            kept for 1.8 seconds instead of 30 minutes. Held requests and heartbeats keep their times.
        faults: Faults to meet requests with, at random.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        handler: Handler | HandlerConfig | None = None,
        *,
        worker: Sequence[str] | None = None,
        workers: int = 1,
        endpoint_id: str = "local",
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits = None,
        time_scale: float = 1.0,
        faults: Faults | None = None,
    ) -> None:
        if re.fullmatch(wire.ENDPOINT_ID_PATTERN, endpoint_id) is None:
            raise ValueError(f"endpoint_id {endpoint_id!r} must match {wire.ENDPOINT_ID_PATTERN}")
        if api_key == "":
            raise ValueError("api_key must not be empty; leave it out for a random one")
        if handler is not None and worker is not None:
            raise ValueError("give either handler or worker, not both")
        if isinstance(worker, str) or (worker is not None and not worker):
            raise ValueError('worker must be a list such as [sys.executable, "handler.py"]')
        if workers < 1:
            raise ValueError("workers must be at least 1")
        if not 0 <= port <= 65535:
            raise ValueError("port must be from 0 to 65535")
        if not time_scale > 0:
            raise ValueError("time_scale must be above 0")
        make_budgets(limits)  # refuses unknown names here, not in the server's thread
        self._limits: Limits = limits
        self._faults = FaultPlan(faults)
        self._config: HandlerConfig | None = read_config(handler) if handler is not None else None
        self._command = list(worker) if worker is not None else None
        self._places = workers
        self._endpoint_id = endpoint_id
        self._keys = Keys(api_key or f"local_{secrets.token_urlsafe(24)}", f"worker_{secrets.token_urlsafe(24)}")
        self._host = host
        self._port = port
        self._time_scale = time_scale
        self._service: QueueService | None = None
        self._webhooks: WebhookSender | None = None
        self._server: ServerThread | None = None
        self._process_id = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers: list[Worker] = []
        self._lock = threading.Lock()  # held by whoever acts in the loop, so that it does not end meanwhile

    def __repr__(self) -> str:
        where = self.base_url if self._loop is not None else "not started"
        return f"<LocalQueue {self._endpoint_id!r} ({where})>"

    # What a client needs.

    @property
    def endpoint_id(self) -> str:
        """The endpoint's id."""
        return self._endpoint_id

    @property
    def api_key(self) -> str:
        """What clients must present."""
        return self._keys.api_key

    @property
    def base_url(self) -> str:
        """The URL below which the endpoint is found, as `Client(base_url=)` takes it."""
        return self._url(self._host)

    # Starting and stopping.

    def start(self) -> Self:
        """Start; returns when the queue listens.

        Raises:
            RuntimeError: It runs already.
            OSError: The address is not free.
        """
        if self._server is not None:
            raise RuntimeError("the queue runs already")
        listener = listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        server = ServerThread(listener, self._build)
        self._loop = server.start()
        self._server = server
        self._process_id = os.getpid()
        atexit.register(self.stop)
        if self._service is not None:
            self._start_workers(self._service, self._loop)
        return self

    def stop(self) -> None:
        """Stop; returns when nothing is left of it. Stopping twice is fine.

        Warns:
            RuntimeWarning: A handler blocks and cannot be stopped; it goes on in its daemon thread.
        """
        server, self._server = self._server, None
        if server is None or self._process_id != os.getpid():
            return  # a forked child has neither its thread nor any part in it
        atexit.unregister(self.stop)
        for worker in self._workers:
            worker.stop()
        self._run(self._shut_down())
        complaints = [complaint for worker in self._workers for complaint in worker.join()]
        with self._lock:
            self._loop = None
        server.stop()
        for complaint in complaints:
            warnings.warn(complaint, RuntimeWarning, stacklevel=2)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # What workers need.

    def worker_environment(self, worker_id: str | None = None, *, host: str | None = None) -> dict[str, str]:
        """The environment variables for a worker that is started elsewhere (by hand, in a container).

        Args:
            worker_id: What to call it; None makes a random id.
            host: By which name or address it finds this machine (`"host.docker.internal"`); None for a worker on the
                machine itself. The queue must listen there (`LocalQueue(host=)`).
        """
        url = self._worker_url if host is None else f"{self._url(host)}/{self._endpoint_id}"
        return worker_variables(url, worker_id or f"worker{secrets.token_hex(4)}", self._keys.worker_token)

    @property
    def worker_output(self) -> str:
        """The last lines that the worker processes wrote."""
        return "".join(worker.output for worker in self._workers)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        return tuple(pid for worker in self._workers if (pid := worker.pid) is not None)

    # What tests need.

    def pause(self) -> None:
        """Hand out no more jobs, so that what is submitted stays IN_QUEUE.

        Raises:
            RuntimeError: The queue does not run.
        """
        self._act(lambda service: service.engine.pause())

    def resume(self) -> None:
        """Hand out jobs again.

        Raises:
            RuntimeError: The queue does not run.
        """
        self._act(lambda service: service.act(lambda _: service.engine.resume()))

    def advance(self, seconds: float) -> None:
        """Let the queue's clock leap: what would happen within so many seconds happens now.

        Args:
            seconds: How many seconds, 0 or more.

        Raises:
            RuntimeError: The queue does not run.
        """
        self._act(lambda service: service.jump(seconds))

    def throttle(self, workers: int) -> None:
        """Let `/health` say that so many workers are throttled: the endpoint waits for machines that are free.

        Args:
            workers: How many; 0 for none.

        Raises:
            RuntimeError: The queue does not run.
        """

        def throttle(service: QueueService) -> None:
            service.engine.crew.throttled = workers

        self._act(throttle)

    def inject(
        self,
        kind: FaultKind | str,
        *,
        operation: str | None = None,
        times: int = 1,
        status: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Hit the next matching requests with a fault.

        Args:
            kind: What goes wrong.
            operation: The operation that is hit, by its id (`"run"`, `"get_status"`, `"job_done"`); None for any client
                operation that the fault can hit. The faults of the worker's side need none.
            times: How many requests are hit.
            status: The status of SERVER_ERROR and EDGE_ERROR; None for any of theirs.
            seconds: Seconds of the delay, leap or Retry-After, 0 or more; None for some within the bounds of `Faults`.

        Raises:
            ValueError: No such kind or operation.
            RuntimeError: The queue is being stopped by another thread.
        """
        fault = FaultKind(kind)
        if operation is not None and operation not in OPERATION_NAMES:
            raise ValueError(f"unknown operation {operation!r}; known are {sorted(OPERATION_NAMES)}")
        injection = Injection(fault, operation, times, status, seconds)
        if self._loop is None:
            self._faults.inject(injection)
        else:
            self._act(lambda _: self._faults.inject(injection))

    @property
    def faults_injected(self) -> Mapping[FaultKind, int]:
        """How many faults of each kind there were.

        Raises:
            RuntimeError: The queue is being stopped by another thread.
        """
        if self._loop is None:
            return dict(self._faults.injected)
        return self._act(lambda _: dict(self._faults.injected))

    @property
    def held_requests(self) -> int:
        """How many requests are held at this moment: clients that wait for a job, workers that wait for work.

        Raises:
            RuntimeError: The queue does not run.
        """
        return self._act(lambda service: service.held)

    def stats(self) -> QueueStats:
        """What happened since the start.

        Raises:
            RuntimeError: The queue was never started.
        """
        if self._loop is None and self._service is not None:
            return self._service.engine.stats()  # stopped: nobody else touches it
        return self._act(lambda service: service.engine.stats())

    # The inside.

    def _act(self, action: Callable[[QueueService], T]) -> T:
        """Do something in the queue's event loop, and wait for it."""
        if self._process_id != os.getpid():
            raise RuntimeError("the queue does not run in this process")
        with self._lock:
            service, loop = self._service, self._loop
            if service is None or loop is None:
                raise RuntimeError("the queue does not run")

            async def act() -> T:
                return action(service)

            return asyncio.run_coroutine_threadsafe(act(), loop).result()

    def _build(self) -> ASGIApp:
        """Everything that lives in the event loop."""
        settings = EngineSettings(time_scale=self._time_scale, epoch=time.time())
        webhooks = WebhookSender(attempts=settings.webhook_attempts, delay=settings.scaled(settings.webhook_delay))
        service = QueueService(self._endpoint_id, settings=settings, post_webhook=webhooks.post, faults=self._faults)
        self._webhooks, self._service = webhooks, service
        return build_app(service, self._keys, self._limits)

    @property
    def _worker_url(self) -> str:
        """The endpoint's URL as a worker on this machine reaches it."""
        host = "127.0.0.1" if self._host in {"", "0.0.0.0", "::"} else self._host  # noqa: S104 -- compared, not bound
        return f"{self._url(host)}/{self._endpoint_id}"

    def _url(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}{BASE_PATH}"

    def _start_workers(self, service: QueueService, loop: asyncio.AbstractEventLoop) -> None:
        places = range(self._places)
        if self._config is not None:
            config = self._config
            self._workers = [HandlerWorker(config, service, loop) for _ in places]
        if self._command is not None:
            command, url, token = self._command, self._worker_url, self._keys.worker_token
            self._workers = [WorkerProcess(command, url, token, service, loop) for _ in places]
        for worker in self._workers:
            worker.start()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _shut_down(self) -> None:
        if self._service is not None:
            await self._service.close()
        if self._webhooks is not None:
            await self._webhooks.close()
