"""What the engine tells the shell around it: who should be woken, stopped, replaced or posted to."""

from attrs import frozen


@frozen
class JobsWaiting:
    """Jobs wait for a worker: wake `count` of those who ask for one."""

    count: int


@frozen
class JobChanged:
    """The job ended, vanished, moved or has something to read: wake those who wait for it."""

    job_id: str


@frozen
class JobStopped:
    """A worker should stop a job that it holds."""

    worker_id: str
    job_id: str


@frozen
class WorkerReplaced:
    """A worker asked for its own end (`stopPod`): replace it."""

    worker_id: str


@frozen
class WebhookDue:
    """A job ended that has a webhook.

    Attributes:
        url: Where to post.
        body: The job as the API shows it, with `input` and `webhook`.
    """

    url: str
    body: dict[str, object]


Event = JobsWaiting | JobChanged | JobStopped | WorkerReplaced | WebhookDue
