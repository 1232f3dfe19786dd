"""A job whose result is posted to a webhook, and read into a type.

    python examples/webhook.py

The server here is the standard library's, and good for one post; `parse_webhook` takes the body that any server got.
"""

import secrets
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from runpod_typed import Client, JobState
from runpod_typed.local import LocalQueue
from runpod_typed.webhooks import parse_webhook, verify_secret


@dataclass(frozen=True)
class Sum:
    """The output."""

    total: int


def add(job: dict[str, Any]) -> dict[str, int]:
    """A handler, as it would stand in a worker's file."""
    return {"total": sum(job["input"]["numbers"])}


# Runpod signs nothing: a URL that is known can be posted to, so the URL holds a secret.
SECRET = secrets.token_urlsafe(16)
PATH = "/runpod/"
received: list[JobState[Sum]] = []


class Receiver(BaseHTTPRequestHandler):
    """Receives posts to the secret URL."""

    def do_POST(self) -> None:
        """Read one job, and respond at once: without a 200 the platform posts again."""
        if not verify_secret(self.path.removeprefix(PATH), SECRET):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        received.append(parse_webhook(body, output_type=Sum))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name that http.server gives it
        """Keep silent."""


def main() -> None:
    """Submit a job, and wait for the post instead of polling."""
    with (
        HTTPServer(("127.0.0.1", 0), Receiver) as server,
        LocalQueue(add) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        server.timeout = 30
        post = threading.Thread(target=server.handle_request)
        post.start()
        job = client.endpoint(queue.endpoint_id).run(
            {"numbers": [1, 2, 3, 4]}, webhook=f"http://127.0.0.1:{server.server_port}{PATH}{SECRET}"
        )
        post.join()
        (state,) = received
        print(f"Job {state.id} is {state.status}")
        print(f"The one that was submitted: {state.id == job.id}")
        print(f"Its output: {state.result()}")


if __name__ == "__main__":
    main()
