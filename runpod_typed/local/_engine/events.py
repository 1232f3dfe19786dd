"""The events that the engine emits: what the runtime around it should do."""

from attrs import frozen


@frozen
class JobsWaiting:
    """Jobs wait: wake `count` of the workers that ask for one."""

    count: int


@frozen
class JobChanged:
    """A job ended, vanished, moved or got something to read: wake the requests that wait for it."""

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
    """A job with a webhook ended: post `body` to `url`."""

    url: str
    body: dict[str, object]


Event = JobsWaiting | JobChanged | JobStopped | WorkerReplaced | WebhookDue
