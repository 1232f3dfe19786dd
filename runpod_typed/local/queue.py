"""The local queue as people use it."""

import asyncio
import atexit
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from runpod_typed.local._engine.counters import QueueStats
from runpod_typed.local._engine.records import SubmittedJob
from runpod_typed.local._faults import FaultKind, FaultPlan, Faults
from runpod_typed.local._lifecycle import QueueLifecycle
from runpod_typed.local._options import QueueOptions
from runpod_typed.local._runtime import QueueRuntime, SimulatedOutage
from runpod_typed.local._server.app import BASE_PATH, OPERATION_NAMES
from runpod_typed.local._server.rate_limits import Limits
from runpod_typed.local._validators import check_seconds, check_status, is_whole
from runpod_typed.local._workers.handler_config import Handler, HandlerConfig, read_config
from runpod_typed.local._workers.process_worker import worker_variables


class LocalQueue:
    """A queue endpoint on this machine, for tests and for people without an account.

    It responds like `https://api.runpod.ai/v2` and gives the jobs to a handler in this process or to real workers.
    `start` (or entering the `with` block) returns when it listens; `stop` (or leaving the block) leaves no process,
    thread or socket behind.

    ```python
    with (
        LocalQueue(lambda job: job["input"]) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        print(client.endpoint(queue.endpoint_id).run_sync({"text": "hello"}))
    ```

    Args:
        handler: Runs the jobs: a plain, async, generator or async generator function of the job, or the dict that
            `runpod.serverless.start` takes.
        worker: The command of a real worker, such as `[sys.executable, "handler.py"]`. It is started as a subprocess,
            and again when it ends. With neither handler nor worker, jobs wait for workers that are started elsewhere
            (`worker_environment`).
        workers: The number of workers.
        endpoint_id: The endpoint's id; other ids get 404.
        api_key: The key that clients must send; None makes a random one.
        host: The address to listen on. Any other than a loopback address opens the queue to the network.
        port: The port to listen on; 0 takes a free one.
        limits: None enforces no rate limits, `"published"` the documented ones; a mapping from operation id or group to
            a `Limit` (or None) enforces the documented ones with these changes.
        time_scale: Factor above 0 for ttl, retention, execution timeout and webhook delays: with 0.001, a result is
            kept for 1.8 seconds instead of 30 minutes. Long polls and heartbeats keep their times.
        faults: Random faults to inject.
        auto_advance: Whether the queue's clock jumps to the next deadline while everything waits: a client for a job,
            no job runs, and no worker could take one. The end of a ttl then takes milliseconds.
        persist: A file that keeps jobs and batches over a restart (an SQLite database); None for none.
        page: Whether `page_url` shows the queue in a browser on this machine.
        on_worker_output: Called with a worker's id and each line that its process writes, in a thread of its own; it
            must not raise. None for none: `worker_output` has the last lines.

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
        auto_advance: bool = False,
        persist: str | Path | None = None,
        page: bool = False,
        on_worker_output: Callable[[str, str], object] | None = None,
    ) -> None:
        self._faults = FaultPlan(faults, OPERATION_NAMES)
        self._options = QueueOptions(
            config=read_config(handler) if handler is not None else None,
            command=worker,
            workers=workers,
            endpoint_id=endpoint_id,
            api_key=api_key,
            host=host,
            port=port,
            limits=limits,
            time_scale=time_scale,
            faults=self._faults,
            auto_advance=auto_advance,
            persist=Path(persist) if persist is not None else None,
            page=page,
            on_worker_output=on_worker_output,
        )
        self._lifecycle = QueueLifecycle(self._options)

    def __repr__(self) -> str:
        where = self.base_url if self._lifecycle.running else "not started"
        return f"<LocalQueue {self.endpoint_id!r} ({where})>"

    @property
    def endpoint_id(self) -> str:
        """The endpoint's id."""
        return self._options.endpoint_id

    @property
    def api_key(self) -> str:
        """The key that clients must send."""
        return self._lifecycle.access.api_key

    @property
    def base_url(self) -> str:
        """The URL above the endpoint, as `Client(base_url=)` takes it.

        Raises:
            RuntimeError: The queue was not started.
        """
        return self._lifecycle.url(self._options.host)

    @property
    def page_url(self) -> str:
        """The URL of the page, with the token that its requests need.

        Raises:
            RuntimeError: The queue was not started, or has no page.
        """
        if not self._options.page:
            raise RuntimeError("the queue has no page: start it with LocalQueue(page=True)")
        url = self._lifecycle.url(self._lifecycle.local_host).removesuffix(BASE_PATH)
        return f"{url}/?token={self._lifecycle.access.page_token}"

    def start(self) -> Self:
        """Start, and return when the queue listens.

        Raises:
            RuntimeError: It is already running.
            OSError: The address is in use.
            ValueError: The file of `persist` is damaged, in use or of something else.
        """
        atexit.register(self.stop)
        self._lifecycle.start()
        return self

    def stop(self) -> None:
        """Stop, and return when nothing is left. May be repeated, for example after Ctrl-C.

        Warns:
            RuntimeWarning: A handler blocks and stays in its daemon thread, or a process could not be ended.
        """
        problems = self._lifecycle.stop()
        atexit.unregister(self.stop)
        for problem in problems:
            warnings.warn(problem, RuntimeWarning, stacklevel=2)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def worker_environment(self, worker_id: str | None = None, *, host: str | None = None) -> dict[str, str]:
        """Return the environment variables for a worker that is started elsewhere (by hand, in a container).

        Args:
            worker_id: The worker's id; None makes a random one.
            host: The name or address of this machine for the worker (`"host.docker.internal"`); None for a worker on
                this machine. The queue must listen there (`LocalQueue(host=)`).

        Raises:
            RuntimeError: The queue was not started.
        """
        access = self._lifecycle.access
        if host is not None and access.hosts is not None:
            access.hosts.add(host.lower())
        name = worker_id or f"worker{secrets.token_hex(4)}"
        return worker_variables(self._lifecycle.worker_url(host), name, access.worker_token)

    @property
    def worker_output(self) -> str:
        """The last lines that the worker processes wrote."""
        return self._lifecycle.worker_output

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """The process ids of the running workers."""
        return tuple(pid for worker in self._lifecycle.workers if (pid := worker.pid) is not None)

    @property
    def workers_failed(self) -> bool:
        """True if all worker processes ended before they asked for a job."""
        return bool(self._lifecycle.workers) and all(worker.failed for worker in self._lifecycle.workers)

    def restart_workers(self) -> None:
        """End each worker after its present jobs, and let another one follow.

        Raises:
            RuntimeError: The queue is not running.
        """

        def restart(_runtime: QueueRuntime) -> None:
            for worker in self._lifecycle.workers:
                worker.replace()

        self._lifecycle.act(restart)

    def pause(self) -> None:
        """Hand out no more jobs: new jobs stay IN_QUEUE.

        ```python
        queue.pause()
        job = endpoint.run(1)  # stays IN_QUEUE
        queue.resume()
        ```

        Raises:
            RuntimeError: The queue is not running.
        """
        self._lifecycle.act(lambda runtime: runtime.engine.pause())

    def resume(self) -> None:
        """Hand out jobs again.

        Raises:
            RuntimeError: The queue is not running.
        """
        self._lifecycle.act(lambda runtime: runtime.act(lambda _: runtime.engine.resume()))

    def advance(self, seconds: float) -> None:
        """Move the queue's clock forward by 0 or more seconds: everything due within this time happens now.

        ```python
        queue.advance(30 * 60)  # the results of finished jobs are gone
        ```

        Raises:
            ValueError: `seconds` is negative, infinite or not a number.
            RuntimeError: The queue is not running.
        """
        check_seconds(seconds)
        self._lifecycle.act(lambda runtime: runtime.advance_clock(seconds))

    def throttle(self, workers: int) -> None:
        """Let `/health` report 0 or more throttled workers, as when no machine is free.

        Raises:
            ValueError: `workers` is negative or not a number.
            RuntimeError: The queue is not running.
        """
        if not is_whole(workers) or workers < 0:
            raise ValueError(f"workers must be 0 or more, not {workers!r}")

        def throttle(runtime: QueueRuntime) -> None:
            runtime.engine.throttled = workers

        self._lifecycle.act(throttle)

    def inject(
        self,
        kind: FaultKind | str,
        *,
        operation: str | None = None,
        times: int = 1,
        status: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Hit the next matching requests with a fault. Requests without a valid key are not counted.

        ```python
        queue.inject("server_error", operation="run", status=503)
        ```

        Args:
            kind: The kind of fault.
            operation: The id of the operation to hit (`"run"`, `"get_status"`, `"job_done"`); None for any client
                operation that the fault can hit. The faults of workers need none.
            times: The number of requests to hit, 1 or more.
            status: The status of SERVER_ERROR and EDGE_ERROR, 400 to 599; None for any of theirs.
            seconds: Seconds of the delay, jump, invisibility or Retry-After, 0 or more; None for some within the bounds
                of `Faults`.

        Raises:
            ValueError: The kind or operation is unknown, or a number is out of range.
        """
        self._faults.inject(kind, operation=operation, times=times, status=status, seconds=seconds)

    def outage(self, seconds: float, *, status: int | None = 503) -> None:
        """Let every request of clients and workers fail for some time, from now on.

        ```python
        queue.outage(5)  # 503
        queue.outage(5, status=None)  # connections are refused, open ones break
        ```

        Args:
            seconds: Seconds of real time, 0 or more. 0 ends an outage with a status.
            status: The status of all responses, 500 to 599; None refuses connections.

        Raises:
            ValueError: A number is out of range.
            RuntimeError: The queue is not running.
        """
        check_seconds(seconds)
        check_status(status, least=500)

        def begin(runtime: QueueRuntime) -> None:
            runtime.outage = SimulatedOutage(asyncio.get_running_loop().time() + seconds, status)
            if status is None:
                self._lifecycle.refuse_connections(seconds)

        self._lifecycle.act(begin)

    @property
    def faults_injected(self) -> Mapping[FaultKind, int]:
        """The number of faults of each kind so far."""
        return dict(self._faults.injected)

    @property
    def held_requests(self) -> int:
        """The number of requests that are held now: clients that wait for a job, workers that wait for work.

        Raises:
            RuntimeError: The queue is not running.
        """
        return self._lifecycle.act(lambda runtime: runtime.held)

    def stats(self) -> QueueStats:
        """Return what happened since the start.

        ```python
        assert queue.stats().completed == 1
        ```

        Raises:
            RuntimeError: The queue was never started.
        """
        return self._lifecycle.read(lambda runtime: runtime.engine.stats())

    @property
    def submissions(self) -> tuple[SubmittedJob, ...]:
        """The last 10,000 submissions, oldest first.

        Raises:
            RuntimeError: The queue was never started.
        """
        return self._lifecycle.read(lambda runtime: runtime.engine.submissions)

    def assert_submitted(self, count: int) -> None:
        """Check how many jobs were submitted since the start.

        ```python
        queue.assert_submitted(2)
        ```

        Raises:
            AssertionError: There were more or fewer; the message has the inputs.
        """
        submitted = self.stats().submitted
        if submitted != count:
            inputs = "".join(f"\n  {job.id}: {job.input!r:.200}" for job in self.submissions[-20:])
            raise AssertionError(f"{submitted} jobs were submitted, not {count}{':' if inputs else '.'}{inputs}")

    @property
    def unfinished_jobs(self) -> tuple[str, ...]:
        """The ids of the jobs that wait or run."""
        return self._lifecycle.read(
            lambda runtime: tuple(job.id for job in runtime.engine.jobs.values() if not job.terminal)
        )

    @property
    def unread_streams(self) -> tuple[str, ...]:
        """The ids of the jobs with chunks that no client has read, and that their outputs do not hold."""
        return self._lifecycle.read(
            lambda runtime: tuple(job.id for job in runtime.engine.jobs.values() if job.chunks and not job.has_output)
        )
