"""The workers of the queue, and who of them holds what."""

from runpod_typed.local._engine.deadlines import Due
from runpod_typed.local._engine.events import JobStopped
from runpod_typed.local._engine.jobs import JobRecord
from runpod_typed.local._engine.ledger import Ledger
from runpod_typed.local._engine.workers import WorkerRecord, count_workers


class Crew:
    """Every worker that the queue knows.

    Args:
        ledger: The books of the queue.
        silence: A worker that nobody supervises is forgotten after so many seconds without a sign.

    Attributes:
        throttled: How many workers are said to wait for a machine; none of ours ever does.
    """

    def __init__(self, ledger: Ledger, silence: float) -> None:
        self._ledger = ledger
        self._silence = silence
        self.members: dict[str, WorkerRecord] = {}
        self.throttled = 0

    def add(self, worker_id: str, *, attached: bool, healthy: bool) -> None:
        """A worker of ours starts."""
        self.members[worker_id] = WorkerRecord(
            id=worker_id,
            seen_at=self._ledger.now,
            supervised=True,
            attached=attached,
            ready=attached,
            healthy=healthy,
        )

    def see(self, worker_id: str) -> WorkerRecord:
        """A worker gives a sign of itself, perhaps its first."""
        worker = self.members.get(worker_id)
        if worker is None:
            worker = self.members[worker_id] = WorkerRecord(id=worker_id, seen_at=self._ledger.now)
            self._ledger.deadlines.add(self._ledger.now + self._silence, Due.WORKER_CHECK, worker_id)
        worker.seen_at = self._ledger.now
        return worker

    def is_silent(self, worker_id: str) -> bool:
        """Whether a worker has been silent for too long; if not, it is looked at again in time."""
        worker = self.members.get(worker_id)
        if worker is None or worker.supervised:
            return False
        due_at = worker.seen_at + self._silence
        if self._ledger.now >= due_at:
            return True
        self._ledger.deadlines.add(due_at, Due.WORKER_CHECK, worker_id)
        return False

    def holder(self, record: JobRecord) -> WorkerRecord | None:
        """The worker that was given the job, if it is still there."""
        return self.members.get(record.worker_id or "")

    def assign(self, worker: WorkerRecord, record: JobRecord) -> None:
        """The worker holds the job from here on."""
        record.worker_id = worker.id
        worker.jobs[record.id] = None
        if record.id in worker.stops:
            worker.stops.remove(record.id)  # that was about an earlier run

    def release(self, record: JobRecord) -> None:
        """Its worker holds the job no longer."""
        worker = self.holder(record)
        if worker is not None:
            worker.jobs.pop(record.id, None)

    def interrupt(self, record: JobRecord) -> None:
        """Take the job away from its worker, and have it told."""
        worker = self.holder(record)
        if worker is not None and record.id in worker.jobs:
            del worker.jobs[record.id]
            self.stop(worker, record.id)

    def stop(self, worker: WorkerRecord, job_id: str) -> None:
        """Have the worker told to stop a job."""
        if job_id not in worker.stops:
            worker.stops.append(job_id)
            worker.reported = None
            self._ledger.tell(JobStopped(worker.id, job_id))

    def show(self) -> dict[str, int]:
        """The `workers` half of `/health`."""
        return count_workers(self.members.values(), self.throttled)
