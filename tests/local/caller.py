"""A plain HTTP caller: it knows nothing of the API, so the tests spell out what goes over the wire."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from attrs import frozen

from runpod_typed.local import LocalQueue

T = TypeVar("T")

PATIENCE = 20.0


@frozen
class Response:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Caller:
    """Calls one endpoint, on a new connection each time.

    Args:
        queue: The queue.
        key: What to present; None presents the queue's API key.
    """

    def __init__(self, queue: LocalQueue, *, key: str | None = None) -> None:
        self._url = urlsplit(queue.base_url)
        self._prefix = f"{self._url.path}/{queue.endpoint_id}"
        self._key = queue.api_key if key is None else key

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the queue."""
        return http.client.HTTPConnection(str(self._url.hostname), self._url.port or 0, timeout=PATIENCE)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Response:
        """Send a request and read the whole response."""
        sent = {"Authorization": f"Bearer {self._key}"} if headers is None else dict(headers)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        used = connection if connection is not None else self.connect()
        try:
            used.request(method, f"{self._prefix}{path}", body=data, headers=sent)
            response = used.getresponse()
            return Response(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            if connection is None:
                used.close()

    def get(self, path: str) -> Response:
        """Send a GET."""
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Response:
        """Send a POST."""
        return self.call("POST", path, body)

    def run(self, input: object = "x", **envelope: object) -> str:
        """Submit a job and return its id."""
        response = self.post("/run", {"input": input} | envelope)
        assert response.status == 200, response.body
        return cast("str", response.json["id"])

    def wait(self, job_id: str) -> Any:
        """Return the finished job."""
        return self.get(f"/status-sync/{job_id}?wait=20000").json

    def until(self, path: str, ready: Callable[[Any], bool]) -> Any:
        """Poll until the response is ready."""
        return eventually(lambda: self.get(path).json, ready)


def eventually(look: Callable[[], T], ready: Callable[[T], bool]) -> T:
    """Call until the result is ready."""
    deadline = time.monotonic() + PATIENCE
    while not ready(seen := look()):
        assert time.monotonic() < deadline, f"still not: {seen!r}"
        time.sleep(0.01)
    return seen


def in_background(work: Callable[[], T]) -> Callable[[], T]:
    """Start work in a thread; the returned function waits for its result."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()

    def result() -> T:
        thread.join(PATIENCE)
        assert results, "the work has not come to an end"
        return results[0]

    return result
