"""A server that receives webhooks."""

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
    """The deliveries so far, and their URL."""

    url: str
    deliveries: list[Delivery] = field(factory=list[Delivery])
    cut_off: bool = False
    """The sender left while an endless response was written."""


@contextmanager
def receive(statuses: Iterable[int], *, endless: bool = False) -> Generator[Receiver]:
    """Respond to the deliveries with these statuses, then with the last one; with an endless body if asked to."""
    remaining = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.deliveries.append(Delivery(headers, json.loads(body)))
            self.send_response(remaining.pop(0) if len(remaining) > 1 else remaining[0])
            self.send_header("Content-Length", "1000000000000" if endless else "0")
            self.end_headers()
            while endless and not receiver.cut_off:
                try:
                    self.wfile.write(b"x" * 65_536)
                except OSError:
                    receiver.cut_off = True

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
