"""Any sequence of events: no job is lost or doubled, and every counter agrees with the jobs."""

from collections import Counter, defaultdict

import hypothesis.strategies as st
from attrs import define, field
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from runpod_typed.local._engine.engine import Engine, NotAllowedError, NotFoundError
from runpod_typed.local._engine.events import JobStopped, WebhookDue
from runpod_typed.local._engine.records import TERMINAL, Chunk, JobStatus, Result, Submission
from runpod_typed.local._engine.settings import EngineSettings

WORKERS = st.sampled_from(["w1", "w2", "w3"])
SECONDS = st.sampled_from([0.0, 0.1, 0.5, 1.0, 5.0, 5.0, 30.0, 60.0, 700.0, 2000.0])
DEEDS = st.sampled_from(["finish", "finish", "fail", "stream", "keep"])


@define
class Seen:
    """The test's own record of a job, apart from the engine's."""

    webhook: bool
    ends: int = 0
    executions: int = 0
    chunks: list[object] = field(factory=list[object])


class QueueMachine(RuleBasedStateMachine):
    ids = Bundle("ids")

    @initialize(redispatches=st.integers(0, 2), scale=st.sampled_from([1.0, 0.1]))
    def start(self, redispatches: int, scale: float) -> None:
        self.engine = Engine(EngineSettings(redispatches=redispatches, time_scale=scale))
        self.now = 0.0
        self.seen: dict[str, Seen] = {}
        self.purged = 0
        self.stops: defaultdict[str, list[str]] = defaultdict(list)
        self.webhooks: Counter[object] = Counter()

    @rule(
        target=ids,
        sync=st.booleans(),
        low=st.booleans(),
        webhook=st.booleans(),
        ttl=st.sampled_from([None, None, None, 10.0, 3600.0]),
        timeout=st.sampled_from([None, None, 5.0, 100.0]),
    )
    def submit(self, sync: bool, low: bool, webhook: bool, ttl: float | None, timeout: float | None) -> str:
        submission = Submission(
            input={"n": len(self.seen)},
            low_priority=low,
            webhook="http://127.0.0.1/hook" if webhook else None,
            ttl=ttl,
            execution_timeout=timeout,
        )
        record = self.engine.submit(submission, self.now, sync=sync)
        assert record.id not in self.seen
        self.seen[record.id] = Seen(webhook)
        return record.id

    @rule(worker=WORKERS, limit=st.integers(1, 4))
    def take(self, worker: str, limit: int) -> None:
        for record in self.engine.take(worker, self.now, limit=limit):
            assert record.status is JobStatus.IN_PROGRESS
            assert record.worker_id == worker
            self.seen[record.id].executions += 1
            self.seen[record.id].chunks.clear()
            if record.id in self.stops[worker]:
                self.stops[worker].remove(record.id)

    @rule(worker=WORKERS, job_id=ids, error=st.booleans(), stop_pod=st.booleans())
    def finish(self, worker: str, job_id: str, error: bool, stop_pod: bool) -> None:
        holder = self._holder(job_id)
        result = Result(output=1, error="went wrong" if error else None, stop_pod=stop_pod)
        assert self.engine.finish(worker, job_id, result, self.now) is (holder == worker)
        if holder == worker:
            record = self.engine.get(job_id, self.now)
            assert record.status is (JobStatus.FAILED if error else JobStatus.COMPLETED)

    @rule(worker=WORKERS, deeds=st.lists(DEEDS, min_size=1, max_size=4))
    def work(self, worker: str, deeds: list[str]) -> None:
        """A worker does its work, as one does: the other rules seldom meet the worker that holds the job."""
        self.take(worker, len(deeds))
        for deed, (_, job_id) in zip(deeds, self.held(worker), strict=False):
            if deed == "stream":
                self.stream(worker, job_id, len(self.seen[job_id].chunks))
            elif deed != "keep":
                self.finish(worker, job_id, deed == "fail", stop_pod=False)

    @precondition(lambda self: self.held())
    @rule(data=st.data())
    def lose_a_worker_that_holds_something(self, data: st.DataObject) -> None:
        worker, _ = data.draw(st.sampled_from(self.held()))
        self.lose_worker(worker)

    @rule(worker=WORKERS, job_id=ids)
    def progress(self, worker: str, job_id: str) -> None:
        holder = self._holder(job_id)
        assert self.engine.progress(worker, job_id, "half", self.now) is (holder == worker)

    @rule(worker=WORKERS, job_id=ids, chunk=st.integers())
    def stream(self, worker: str, job_id: str, chunk: int) -> None:
        holder = self._holder(job_id)
        accepted = self.engine.chunk(worker, job_id, Chunk(chunk), self.now)
        assert accepted is (holder == worker)
        if accepted:
            self.seen[job_id].chunks.append(Chunk(chunk))

    @rule(job_id=ids)
    def drain(self, job_id: str) -> None:
        try:
            drained = self.engine.drain(job_id, self.now)
        except NotFoundError:
            return
        waits = self.engine.jobs[job_id].status is JobStatus.IN_QUEUE
        assert drained == ([] if waits else self.seen[job_id].chunks)
        self.seen[job_id].chunks.clear()

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        before = self._status(job_id)
        try:
            record = self.engine.cancel(job_id, self.now)
        except NotFoundError:
            assert before is None
            return
        assert record.status is (before if before in TERMINAL else JobStatus.CANCELLED)

    @rule(job_id=ids)
    def retry(self, job_id: str) -> None:
        before = self._status(job_id)
        try:
            record = self.engine.retry(job_id, self.now)
        except NotFoundError:
            assert before is None
        except NotAllowedError:
            assert before not in {JobStatus.FAILED, JobStatus.TIMED_OUT}
        else:
            assert before in {JobStatus.FAILED, JobStatus.TIMED_OUT}
            assert record.status is JobStatus.IN_QUEUE
            self.seen[job_id].chunks.clear()

    @rule(job_id=ids, ttl=SECONDS)
    def shorten(self, job_id: str, ttl: float) -> None:
        if self._status(job_id) is not None:
            self.engine.shorten(job_id, ttl, self.now)

    @rule()
    def purge(self) -> None:
        self.engine.advance(self.now)
        waiting = self.engine.waiting
        assert self.engine.purge(self.now) == waiting
        assert self.engine.waiting == 0
        self.purged += waiting

    @rule(worker=WORKERS, listed=st.booleans(), healthy=st.booleans())
    def ping(self, worker: str, listed: bool, healthy: bool) -> None:
        self.engine.ping(worker, [*self.seen, "unheard-of"] if listed else [], self.now, healthy=healthy)

    @rule(worker=WORKERS, attached=st.booleans())
    def start_worker(self, worker: str, attached: bool) -> None:
        if worker not in self.engine.workers:
            self.engine.start_worker(worker, self.now, attached=attached)
            self.stops.pop(worker, None)  # what one of that name was told before it vanished

    @rule(worker=WORKERS)
    def lose_worker(self, worker: str) -> None:
        self.engine.lose_worker(worker, self.now)
        self.stops.pop(worker, None)

    @rule(worker=WORKERS, job_id=ids)
    def drop(self, worker: str, job_id: str) -> None:
        self.engine.drop(worker, job_id, self.now)

    @rule(worker=WORKERS)
    def take_stops(self, worker: str) -> None:
        self._look()
        known = worker in self.engine.workers
        assert self.engine.take_stops(worker, self.now) == (self.stops.pop(worker, []) if known else [])

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        if paused:
            self.engine.pause()
        else:
            self.engine.resume()

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.engine.advance(self.now)

    @rule(seconds=SECONDS)
    def clock_goes_back(self, seconds: float) -> None:
        before = self.engine.now
        assert self.engine.advance(before - seconds) == before

    # What must hold, always.

    def _status(self, job_id: str) -> JobStatus | None:
        self.engine.advance(self.now)
        record = self.engine.jobs.get(job_id)
        return record.status if record is not None else None

    def held(self, by: str | None = None) -> list[tuple[str, str]]:
        """Return the workers with the jobs that they hold, in an order that does not depend on the random ids."""
        workers = [worker for worker in self.engine.workers.values() if by in {None, worker.id}]
        submitted = list(self.seen)
        pairs = [(worker.id, job_id) for worker in workers for job_id in worker.jobs]
        return sorted(pairs, key=lambda pair: (pair[0], submitted.index(pair[1])))

    def _holder(self, job_id: str) -> str | None:
        if self._status(job_id) is not JobStatus.IN_PROGRESS:
            return None
        return self.engine.jobs[job_id].worker_id

    def _look(self) -> None:
        """Take the events, as the runtime does."""
        for event in self.engine.take_events():
            match event:
                case JobStopped(worker_id, job_id):
                    self.stops[worker_id].append(job_id)
                case WebhookDue(body=body):
                    assert body["status"] in {status.value for status in TERMINAL}
                    self.webhooks[body["id"]] += 1
                case _:
                    pass

    @invariant()
    def no_job_is_lost(self) -> None:
        stats = self.engine.stats()
        assert stats.submitted == len(self.seen) == sum(stats.by_status.values()) + stats.expired + stats.purged
        assert stats.purged == self.purged
        assert len(self.engine.jobs) == sum(stats.by_status.values())

    @invariant()
    def the_counts_are_those_of_the_jobs(self) -> None:
        counted = Counter(record.status for record in self.engine.jobs.values())
        assert self.engine.stats().by_status == {status: counted[status] for status in JobStatus}
        health = self.engine.health(self.engine.now)
        assert health["jobs"]["inQueue"] == counted[JobStatus.IN_QUEUE] == self.engine.waiting
        assert health["jobs"]["inProgress"] == counted[JobStatus.IN_PROGRESS]
        workers = health["workers"]
        assert workers["ready"] == workers["idle"]
        assert sum(workers.values()) - workers["ready"] == len(self.engine.workers)

    @invariant()
    def a_job_is_in_one_place(self) -> None:
        held = [job_id for worker in self.engine.workers.values() for job_id in worker.jobs]
        assert len(held) == len(set(held))
        for worker in self.engine.workers.values():
            for job_id in worker.jobs:
                record = self.engine.jobs[job_id]
                assert record.status is JobStatus.IN_PROGRESS
                assert record.worker_id == worker.id

    @invariant()
    def executions_are_counted(self) -> None:
        assert self.engine.stats().executions == {
            job_id: seen.executions for job_id, seen in self.seen.items() if seen.executions
        }

    @invariant()
    def each_end_is_told_once(self) -> None:
        self._look()
        for worker in self.stops.keys() - self.engine.workers.keys():
            del self.stops[worker]  # it was forgotten, and what it should have been told with it
        stats = self.engine.stats()
        ends = stats.completed + stats.failed + stats.cancelled
        assert ends >= sum(stats.by_status[status] for status in TERMINAL)
        assert sum(self.webhooks.values()) <= ends
        for job_id, record in self.engine.jobs.items():
            if record.terminal and self.seen[job_id].webhook:
                assert self.webhooks[job_id] >= 1

    @invariant()
    def the_alarm_is_set(self) -> None:
        self.engine.advance(self.engine.now)
        assert self.engine.next_deadline is None or self.engine.next_deadline > self.engine.now
        if any(not record.terminal for record in self.engine.jobs.values()):
            assert self.engine.next_deadline is not None


QueueMachine.TestCase.settings = settings(stateful_step_count=80)
TestQueueMachine = QueueMachine.TestCase
