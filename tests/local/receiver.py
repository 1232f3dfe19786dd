"""A server that takes webhooks."""

import json
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field, frozen
from typing_extensions import override


@frozen
class Delivery:
    """One POST."""

    headers: dict[str, str]
    body: Any


@define
class Receiver:
    """What has come, and where to."""

    url: str
    deliveries: list[Delivery] = field(factory=list[Delivery])


@contextmanager
def receive(statuses: Iterable[int]) -> Generator[Receiver]:
    """Answer the deliveries with these statuses, the last one for ever."""
    remaining = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.deliveries.append(Delivery(headers, json.loads(body)))
            self.send_response(remaining.pop(0) if len(remaining) > 1 else remaining[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
