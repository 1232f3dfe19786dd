"""The queue's HTTP face: which path is which operation, who may call it, and in what order that is checked.

Starlette routes around the engine. The order of checks is the platform's: the endpoint is looked up first, so a wrong
id is 404 with any key; then the key; then the limits; then the request itself.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from attrs import field, frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from runpod_typed.local._batch_routes import BatchRoutes
from runpod_typed.local._client_routes import ClientRoutes
from runpod_typed.local._disturbance import disturb
from runpod_typed.local._engine.errors import NotAllowedError, NotFoundError
from runpod_typed.local._http import Refusal, json_response
from runpod_typed.local._limits import Budget, Limits, make_budgets
from runpod_typed.local._openai_routes import OpenAIRoutes
from runpod_typed.local._service import QueueService
from runpod_typed.local._worker_routes import WorkerRoutes, refuse_worker

Handler = Callable[[Request], Awaitable[Response]]
BASE_PATH: Final = "/v2"


@frozen
class Routes:
    """The handlers of one queue."""

    client: ClientRoutes
    worker: WorkerRoutes
    batch: BatchRoutes
    openai: OpenAIRoutes


@frozen
class Operation:
    """One operation: its name, where it is found, and who answers.

    Attributes:
        name: The operation's id in the API description; a name of ours on the worker's side.
        handler: Picks the handler.
        worker: Workers call it, with the worker token.
    """

    name: str
    methods: tuple[str, ...]
    path: str
    handler: Callable[[Routes], Handler]
    worker: bool = False


READ: Final = ("GET", "POST")  # documented with GET; the Go client posts

# The busiest first: routes are tried in order.
OPERATIONS: Final = (
    Operation("get_status", READ, "/status/{job_id}", lambda routes: routes.client.get_status),
    Operation("get_status_sync", READ, "/status-sync/{job_id}", lambda routes: routes.client.get_status_sync),
    Operation("run", ("POST",), "/run", lambda routes: routes.client.run),
    Operation("run_sync", ("POST",), "/runsync", lambda routes: routes.client.run_sync),
    Operation("stream", READ, "/stream/{job_id}", lambda routes: routes.client.stream),
    Operation("job_take", ("GET",), "/job-take/{worker_id}", lambda routes: routes.worker.take_job, worker=True),
    Operation(
        "job_done", ("POST",), "/job-done/{worker_id}/{job_id}", lambda routes: routes.worker.finish_job, worker=True
    ),
    Operation(
        "job_stream",
        ("POST",),
        "/job-stream/{worker_id}/{job_id}",
        lambda routes: routes.worker.stream_chunk,
        worker=True,
    ),
    Operation("ping", ("GET",), "/ping/{worker_id}", lambda routes: routes.worker.ping, worker=True),
    Operation("job_stop", ("GET",), "/job-stop/{worker_id}", lambda routes: routes.worker.stop_jobs, worker=True),
    Operation(
        "job_take_batch", ("GET",), "/job-take-batch/{worker_id}", lambda routes: routes.worker.take_jobs, worker=True
    ),
    Operation("get_health", ("GET",), "/health", lambda routes: routes.client.get_health),
    Operation("cancel", ("POST",), "/cancel/{job_id}", lambda routes: routes.client.cancel),
    Operation("retry", ("POST",), "/retry/{job_id}", lambda routes: routes.client.retry),
    Operation("purge_queue", ("POST",), "/purge-queue", lambda routes: routes.client.purge_queue),
    Operation("get_requests", ("GET",), "/requests", lambda routes: routes.client.get_requests),
    Operation("get_metrics", ("GET",), "/metrics", lambda routes: routes.client.get_metrics),
    Operation("create_batch", ("POST",), "/batch", lambda routes: routes.batch.create),
    Operation("list_batches", ("GET",), "/batch", lambda routes: routes.batch.list),
    Operation("get_batch", ("GET",), "/batch/{batch_id}", lambda routes: routes.batch.get),
    Operation("update_batch", ("PUT",), "/batch/{batch_id}", lambda routes: routes.batch.update),
    Operation("append_batch_requests", ("POST",), "/batch/{batch_id}/requests", lambda routes: routes.batch.append),
    Operation("list_batch_requests", ("GET",), "/batch/{batch_id}/requests", lambda routes: routes.batch.list_requests),
    Operation(
        "delete_batch_request",
        ("DELETE",),
        "/batch/{batch_id}/requests/{request_id}",
        lambda routes: routes.batch.delete_request,
    ),
    Operation("finalize_batch", ("POST",), "/batch/{batch_id}/finalize", lambda routes: routes.batch.finalize),
    Operation("cancel_batch", ("POST",), "/batch/{batch_id}/cancel", lambda routes: routes.batch.cancel),
    Operation("list_models", ("GET",), "/openai/v1/models", lambda routes: routes.openai.list_models),
    Operation("openai", ("POST",), "/openai/v1/{route:path}", lambda routes: routes.openai.forward),
)
OPERATION_NAMES: Final = frozenset(operation.name for operation in OPERATIONS)


@frozen
class Keys:
    """What callers must present.

    Attributes:
        api_key: For clients.
        worker_token: For workers. They may present the API key as well, as on the platform.
    """

    api_key: str = field(repr=False)
    worker_token: str = field(repr=False)


def presented_key(authorization: str | None) -> str | None:
    """The key in an Authorization header, with or without the scheme `Bearer` (in any case)."""
    if authorization is None:
        return None
    scheme, _, key = authorization.strip().partition(" ")
    presented = key.strip() if scheme.lower() == "bearer" else authorization.strip()
    return presented or None


def same_key(presented: str, expected: str) -> bool:
    """Compare in constant time."""
    return secrets.compare_digest(presented.encode("latin-1", "replace"), expected.encode())


class Guard:
    """What every request passes before its operation."""

    def __init__(self, service: QueueService, keys: Keys, budgets: Mapping[str, Budget]) -> None:
        self._service = service
        self._routes = Routes(ClientRoutes(service), WorkerRoutes(service), BatchRoutes(service), OpenAIRoutes(service))
        self._keys = keys
        self._budgets = budgets

    async def answer(self, operation: Operation, request: Request) -> Response:
        """Answer a request, or do to it what the fault does that hits it."""
        if request.path_params["endpoint_id"] != self._service.endpoint_id:
            return json_response({"error": "endpoint not found"}, 404)
        fault = self._service.faults.draw(operation.name, worker=operation.worker)
        if fault is None:
            return await self._process(operation, request)
        return await disturb(fault, request, self._service, lambda: self._process(operation, request))

    async def _process(self, operation: Operation, request: Request) -> Response:
        """Check the caller, run the operation, and turn what it refuses into answers."""
        try:
            await self._authenticate(operation, request)
            budget = self._budgets.get(operation.name)
            if budget is None:
                return await operation.handler(self._routes)(request)
            return await self._run_within(budget, operation, request)
        except Refusal as refusal:
            return refusal.to_response()
        except NotFoundError as error:
            return json_response({"error": str(error)}, 404)
        except NotAllowedError as error:
            return json_response({"error": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it

    async def _run_within(self, budget: Budget, operation: Operation, request: Request) -> Response:
        if not budget.admit(self._service.now()):
            raise Refusal(429, {"error": "too many requests"})
        try:
            return await operation.handler(self._routes)(request)
        finally:
            budget.release()

    async def _authenticate(self, operation: Operation, request: Request) -> None:
        presented = presented_key(request.headers.get("authorization"))
        if presented is not None and same_key(presented, self._keys.api_key):
            return
        if operation.worker:
            if presented is None or not same_key(presented, self._keys.worker_token):
                raise await refuse_worker()
        elif presented is None:
            raise Refusal(401, "no token provided")
        else:
            raise Refusal(401, {"error": "unauthorized"})


def build_app(service: QueueService, keys: Keys, limits: Limits = None) -> Starlette:
    """The ASGI application."""
    guard = Guard(service, keys, make_budgets(limits))
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        methods = by_path.setdefault(operation.path, {})
        methods.update(dict.fromkeys(operation.methods, operation))
    routes = [_route(guard, path, methods) for path, methods in by_path.items()]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _show_http_error})
    app.router.redirect_slashes = False  # `/run/` is no path of the API
    return app


def _route(guard: Guard, path: str, methods: dict[str, Operation]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await guard.answer(methods["GET" if request.method == "HEAD" else request.method], request)

    return Route(f"{BASE_PATH}/{{endpoint_id}}{path}", endpoint, methods=list(methods))


async def _show_http_error(request: Request, error: Exception) -> Response:
    """No such path (404) or no such method on it (405)."""
    del request
    if not isinstance(error, HTTPException):
        raise error
    return json_response({"error": error.detail.lower()}, error.status_code, error.headers)
