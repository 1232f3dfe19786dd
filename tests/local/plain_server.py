"""The queue on asyncio and h11 alone. A program of its own: what is imported once cannot be taken away."""

import http.client
import sys
from pathlib import Path
from typing import cast

modules = cast("dict[str, object]", sys.modules)
modules.update(uvloop=None, httptools=None)  # None stands for a module that cannot be imported
sys.path.append(str(Path(__file__).resolve().parents[2]))

from runpod_typed.local import LocalQueue  # noqa: E402 -- after the modules are gone
from tests.local.caller import Caller  # noqa: E402 -- the same

LOST = (ConnectionResetError, http.client.RemoteDisconnected, http.client.IncompleteRead)


def main() -> None:
    with LocalQueue(lambda job: job["input"]) as queue:
        client = Caller(queue)
        connection = client.connect()
        for number in range(3):
            response = client.call("POST", "/runsync", {"input": number}, connection=connection)
            assert response.json["output"] == number
        connection.close()
        for kind in ("reset_before", "reset_after", "truncated_body"):
            queue.inject(kind, operation="run")
            try:
                client.run()
            except LOST:
                continue
            raise AssertionError(kind)
        job_id = client.run("x" * 1_000_000)
        assert len(client.wait(job_id)["output"]) == 1_000_000
    assert queue.stats().submitted == 6
    print("all is well")


main()
