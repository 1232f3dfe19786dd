"""Seed 004, "Operations", the overview: two samples, both for cURL."""

from __future__ import annotations

import os

from runpod_typed import Client
from runpod_typed.local import JobStatus
from tests.samples.conftest import Serve
from tests.samples.support import echo, say


def test_starts_a_job(serve: Serve) -> None:
    # Seed 004, "Start a Job" (cURL). Whole as it stands; the first of the documents to write "Bearer".
    serve(echo)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        job = client.endpoint(os.environ["ENDPOINT_ID"]).run({"prompt": "Your prompt"})
        assert job.state is not None
        assert job.state.status == "IN_QUEUE"
        assert job.output(timeout=60) == {"prompt": "Your prompt"}


def test_checks_status_by_job_id(serve: Serve) -> None:
    # Seed 004, "Check Job Status" (cURL). Whole as it stands.
    queue = serve(say)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        job_id = endpoint.run({"prompt": "Your prompt"}).id
        assert endpoint.job(job_id).status() == "IN_QUEUE"


def test_every_operation_has_its_method(serve: Serve) -> None:
    # Seed 004, "Endpoint Operations": the list of seven.
    queue = serve({"handler": lambda job: iter(job["input"]["prompt"]), "return_aggregate_stream": True})
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        job = endpoint.run({"prompt": "Your prompt"})
        assert job.status() == "IN_QUEUE"
        assert job.cancel().status == "CANCELLED"
        endpoint.run({"prompt": "Your prompt"})
        assert endpoint.purge_queue().removed == 1
        queue.resume()
        assert endpoint.health().jobs.in_queue == 0
    assert queue.stats().by_status[JobStatus.CANCELLED] == 1
