"""A server that closes idle connections as late as it can: when the next request has arrived."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from attrs import define, field

JOB: Final = {"id": "job-1", "status": "COMPLETED", "output": 7}
HEALTH: Final = {"jobs": {"inQueue": 0}, "workers": {"idle": 1}}
BODY: Final = json.dumps(JOB | HEALTH).encode()


@define
class Clock:
    """A clock that the test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@define
class ImpatientServer:
    """Responds to each request with a completed job, which can be read as health too.

    Attributes:
        base_url: The base URL.
        idle_limit: Returns the seconds that a connection may be idle. The request after that is lost.
        connections: The number of connections that clients have made.
        requests: The methods and operations of the requests that came.
        lost: Those of them that were lost.
    """

    idle_limit: Callable[[], float]
    base_url: str = ""
    connections: int = 0
    requests: list[str] = field(factory=list[str])
    lost: list[str] = field(factory=list[str])


@contextmanager
def impatient(clock: Callable[[], float], idle_limit: Callable[[], float]) -> Generator[ImpatientServer]:
    """Serve in a thread.

    Args:
        clock: The clock of the server.
        idle_limit: Returns the seconds that a connection may be idle.
    """
    server = ImpatientServer(idle_limit)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # a response in two parts would wait for the client's delayed acknowledgement

        def setup(self) -> None:
            super().setup()
            server.connections += 1
            self.used_at = clock()

        def respond(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = f"{self.command} {self.path.split('/')[3].partition('?')[0]}"
            server.requests.append(request)
            if clock() - self.used_at >= server.idle_limit():
                server.lost.append(request)
                self.close_connection = True
                return
            self.used_at = clock()
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        do_GET = do_POST = respond  # noqa: N815 -- the names that the base class calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the base class
            """Log nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server.base_url = f"http://127.0.0.1:{listener.server_port}/v2"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join(10)
