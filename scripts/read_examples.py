"""Read the examples of the specification through the facade: `python scripts/read_examples.py`, in the top folder.

A mock transport returns an example to each call. An example that the facade cannot read is printed with its line.
"""

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Final

import httpx  # noqa: TID251 -- its mock transport replaces the network

if __name__ == "__main__":  # this tree, not an installed package
    sys.path.insert(0, str(Path.cwd() / "generated"))
    sys.path.insert(0, str(Path.cwd()))

from runpod_typed import Client, Endpoint
from runpod_typed.errors import APIStatusError, JobError
from runpod_typed.webhooks import parse_webhook
from scripts.spec_document import Json, Operation, Pointer, SpecDocument, mapping

SPEC: Final = Path("spec/openapi.yaml")

CALLS: Final[Mapping[str, Callable[[Endpoint, str], object]]] = {
    "run": lambda endpoint, _: endpoint.run({"a": 1}),
    "run_sync": lambda endpoint, _: endpoint.run_sync_state({"a": 1}),
    "get_status": lambda endpoint, job_id: endpoint.job(job_id).status(),
    "get_status_sync": lambda endpoint, job_id: endpoint.job(job_id).wait(),
    "stream": lambda endpoint, job_id: list(endpoint.job(job_id).stream_detailed()),
    "cancel": lambda endpoint, job_id: endpoint.job(job_id).cancel(),
    "retry": lambda endpoint, job_id: endpoint.job(job_id).retry(),
    "get_health": lambda endpoint, _: endpoint.health(),
    "get_metrics": lambda endpoint, _: endpoint.metrics(),
    "get_requests": lambda endpoint, _: endpoint.requests(),
    "purge_queue": lambda endpoint, _: endpoint.purge_queue(),
    "create_batch": lambda endpoint, _: endpoint.batches.create([{"a": 1}]),
    "append_batch_requests": lambda endpoint, batch_id: endpoint.batches.add(batch_id, [{"a": 1}]),
    "delete_batch_request": lambda endpoint, batch_id: endpoint.batches.delete_request(batch_id, "a"),
    "finalize_batch": lambda endpoint, batch_id: endpoint.batches.finalize(batch_id),
    "cancel_batch": lambda endpoint, batch_id: endpoint.batches.cancel(batch_id),
    "get_batch": lambda endpoint, batch_id: endpoint.batches.get(batch_id),
    "list_batches": lambda endpoint, _: endpoint.batches.list(),
    "list_batch_requests": lambda endpoint, batch_id: list(endpoint.batches.results(batch_id)),
}
"""A call of the facade for each operation that it offers, and the id of the job or batch that the example is of."""

_READ_STATUSES: Final = ("200", "400")
"""The responses whose examples are tried: results, and a failed job that comes as an error."""


class _AnsweredError(BaseException):
    """Ends a call that continues after its example was read."""


def main() -> int:
    """Print what the facade cannot read; return 0."""
    warnings.simplefilter("ignore")
    spec = SpecDocument.load(SPEC)
    for number, (operation, status, place) in enumerate(_examples(spec)):
        value = spec.find(place)
        if reason := _unread(operation, status, value, number):
            where = f"{SPEC.as_posix()}:{spec.line(place)}"
            print(f"{where}: runpod_typed cannot read this example of {operation.name}: {reason}")
    return 0


def _examples(spec: SpecDocument) -> Iterator[tuple[Operation, int, Pointer]]:
    """Yield the JSON examples of what the facade reads, each with its place."""
    for operation in spec.operations():
        responses = mapping(operation.content.get("responses"))
        holders: dict[int, Pointer] = {
            int(status): ("responses", status) for status in _READ_STATUSES if status in responses
        }
        for status, holder in ({0: ("requestBody",)} if operation.is_webhook else holders).items():
            place = spec.follow((*operation.pointer, *holder))
            media = mapping(mapping(mapping(spec.find(place)).get("content")).get("application/json"))
            for name in mapping(media.get("examples")) if operation.is_webhook or operation.name in CALLS else ():
                yield operation, status, (*place, "content", "application/json", "examples", name, "value")


def _unread(operation: Operation, status: int, value: Json, number: int) -> str:
    """Give an example to the facade, and return why it cannot be read, or an empty string."""
    body = json.dumps(value).encode()
    path = re.sub(r"\\{.*?\\}", "[^/]+", re.escape(operation.path))
    answered = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal answered
        answered += 1
        if answered > 1 or not re.fullmatch(path, request.url.path) or request.method != operation.method.upper():
            raise _AnsweredError(f"asks for {request.method} {request.url.path}")
        return httpx.Response(status, content=body, headers={"Content-Type": "application/json"})

    try:
        if operation.is_webhook:
            parse_webhook(body)
        else:
            with httpx.Client(transport=httpx.MockTransport(answer)) as http:
                # Another endpoint each time: rate limits count per endpoint.
                client = Client("key", base_url="http://example.invalid", http_client=http)
                CALLS[operation.name](client.endpoint(f"example-{number}"), str(mapping(value).get("id", "a")))
    except _AnsweredError as error:
        return "" if answered > 1 else f"the facade {error}"
    except (APIStatusError, JobError):
        return ""  # read, and raised as an error of the request or the job
    except Exception as error:  # noqa: BLE001 -- any error means that the example was not read
        return shorten(f"{type(error).__name__}: {error}", 240, placeholder="...")
    return ""


if __name__ == "__main__":
    sys.exit(main())
