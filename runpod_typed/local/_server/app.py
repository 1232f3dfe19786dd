"""The queue's HTTP interface: operations, and the checks before them.

The order of checks is the platform's: the endpoint, so that a wrong id is 404 with any key; the key; the limits; the
request itself. Before them come checks that the platform does not need: that no web page of another site calls.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.access import Access, browser_problem, presented_key, same_key
from runpod_typed.local._server.fault_responses import ResetResponse, respond_with_fault
from runpod_typed.local._server.rate_limits import Limits, make_limiters
from runpod_typed.local._server.requests import REFUSALS, Refusal, json_response, show_refusal
from runpod_typed.local._server.routes import batch, client, openai, worker

BASE_PATH: Final = "/v2"
UNAUTHORIZED_PAUSE: Final = 1.0


@frozen
class Operation:
    """An operation: its id in the API description (or a name of ours for the worker's side), and its handler."""

    name: str
    methods: tuple[str, ...]
    path: str
    handler: Callable[[QueueRuntime, Request], Awaitable[Response]]
    worker: bool = False


READ: Final = ("GET", "HEAD")
POLL: Final = ("GET", "HEAD", "POST")  # documented with GET; the Go client posts
TAKE: Final = ("GET",)  # not HEAD: its response has no room for what is taken
TAKE_CHUNKS: Final = ("GET", "POST")
POST: Final = ("POST",)

# The busiest first: routes are tried in order.
OPERATIONS: Final = (
    Operation("get_status", POLL, "/status/{job_id}", client.get_status),
    Operation("get_status_sync", POLL, "/status-sync/{job_id}", client.get_status_sync),
    Operation("run", POST, "/run", client.run),
    Operation("run_sync", POST, "/runsync", client.run_sync),
    Operation("stream", TAKE_CHUNKS, "/stream/{job_id}", client.stream),
    Operation("job_take", TAKE, "/job-take/{worker_id}", worker.take_job, worker=True),
    Operation("job_done", POST, "/job-done/{worker_id}/{job_id}", worker.finish_job, worker=True),
    Operation("job_stream", POST, "/job-stream/{worker_id}/{job_id}", worker.stream_chunk, worker=True),
    Operation("ping", TAKE, "/ping/{worker_id}", worker.ping, worker=True),
    Operation("job_stop", TAKE, "/job-stop/{worker_id}", worker.stop_jobs, worker=True),
    Operation("job_take_batch", TAKE, "/job-take-batch/{worker_id}", worker.take_jobs, worker=True),
    Operation("get_health", READ, "/health", client.get_health),
    Operation("cancel", POST, "/cancel/{job_id}", client.cancel),
    Operation("retry", POST, "/retry/{job_id}", client.retry),
    Operation("purge_queue", POST, "/purge-queue", client.purge_queue),
    Operation("get_requests", READ, "/requests", client.get_requests),
    Operation("get_metrics", READ, "/metrics", client.get_metrics),
    Operation("create_batch", POST, "/batch", batch.create_batch),
    Operation("list_batches", READ, "/batch", batch.list_batches),
    Operation("get_batch", READ, "/batch/{batch_id}", batch.get_batch),
    Operation("update_batch", ("PUT",), "/batch/{batch_id}", batch.update_batch),
    Operation("append_batch_requests", POST, "/batch/{batch_id}/requests", batch.append_requests),
    Operation("list_batch_requests", READ, "/batch/{batch_id}/requests", batch.list_requests),
    Operation("delete_batch_request", ("DELETE",), "/batch/{batch_id}/requests/{request_id}", batch.delete_request),
    Operation("finalize_batch", POST, "/batch/{batch_id}/finalize", batch.finalize_batch),
    Operation("cancel_batch", POST, "/batch/{batch_id}/cancel", batch.cancel_batch),
    Operation("list_models", TAKE, "/openai/v1/models", openai.list_models),
    Operation("openai", POST, "/openai/v1/{route:path}", openai.forward),
)
OPERATION_NAMES: Final = frozenset(operation.name for operation in OPERATIONS)


class RequestHandler:
    """Passes each request through the checks to its operation."""

    def __init__(self, runtime: QueueRuntime, access: Access, limits: Limits) -> None:
        self._runtime = runtime
        self._access = access
        self._limiters = make_limiters(limits)

    async def respond(self, operation: Operation, request: Request) -> Response:
        """Respond to a request, or as the fault says that hits it."""
        runtime = self._runtime
        problem = browser_problem(request.headers, self._access.hosts)
        if problem is not None:
            return json_response({"error": problem}, 403)
        outage = runtime.outage
        if outage is not None and asyncio.get_running_loop().time() < outage.until:
            if outage.status is None:
                return ResetResponse(request)
            return json_response({"error": f"error {outage.status}"}, outage.status)
        if request.path_params["endpoint_id"] != runtime.endpoint_id:
            return json_response({"error": "endpoint not found"}, 404)
        refusal = await self._authenticate(operation, request)
        if refusal is not None:
            return refusal.to_response()
        fault = runtime.faults.draw(operation.name, worker=operation.worker)
        if fault is None:
            return await self._process(operation, request)
        return await respond_with_fault(fault, request, runtime, lambda: self._process(operation, request))

    async def _authenticate(self, operation: Operation, request: Request) -> Refusal | None:
        presented = presented_key(request.headers.get("authorization"))
        if presented is not None and same_key(presented, self._access.api_key):
            return None
        if operation.worker:
            if presented is not None and same_key(presented, self._access.worker_token):
                return None
            await asyncio.sleep(UNAUTHORIZED_PAUSE)  # the SDK asks again at once
        elif presented is None:
            return Refusal(401, "no token provided")
        return Refusal(401, {"error": "unauthorized"})

    async def _process(self, operation: Operation, request: Request) -> Response:
        limiter = self._limiters.get(operation.name)
        if limiter is not None and not limiter.acquire(self._runtime.now()):
            return json_response({"error": "too many requests"}, 429)
        try:
            return await operation.handler(self._runtime, request)
        except REFUSALS as error:
            return show_refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)  # the client has left
        finally:
            if limiter is not None:
                limiter.release()


def build_app(runtime: QueueRuntime, access: Access, limits: Limits, others: Sequence[BaseRoute] = ()) -> Starlette:
    """Return the ASGI application of the API, with other routes beside it."""
    handler = RequestHandler(runtime, access, limits)
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {}).update(dict.fromkeys(operation.methods, operation))
    routes = [_route(handler, path, methods) for path, methods in by_path.items()]
    app = Starlette(routes=[*routes, *others], exception_handlers={HTTPException: _show_http_error})
    app.router.redirect_slashes = False  # `/run/` is not a path of the API
    return app


def _route(handler: RequestHandler, path: str, methods: dict[str, Operation]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await handler.respond(methods[request.method], request)

    route = Route(f"{BASE_PATH}/{{endpoint_id}}{path}", endpoint, methods=list(methods))
    route.methods = set(methods)  # Starlette adds HEAD to each GET
    return route


async def _show_http_error(request: Request, error: Exception) -> Response:
    """Respond to an unknown path (404) or method (405)."""
    del request
    if not isinstance(error, HTTPException):
        raise error
    return json_response({"error": error.detail.lower()}, error.status_code, error.headers)
