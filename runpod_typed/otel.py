"""OpenTelemetry: a span for each job, and one for each request. It needs the extra `otel` of this package.

Example::

    from runpod_typed import Client
    from runpod_typed.otel import tracing_hooks

    client = Client(hooks=tracing_hooks())
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

try:
    from opentelemetry import context, propagate, trace
except ImportError as _error:
    raise ImportError("tracing needs OpenTelemetry: python3 -m pip install opentelemetry-api") from _error

from runpod_typed import Hooks, __version__
from runpod_typed._models.hooks import JobEnd, RequestInfo, ResponseInfo

__all__ = ["tracing_hooks", "webhook_context"]

_OPEN_SPANS: Final = 10_000


def tracing_hooks(tracer_provider: trace.TracerProvider | None = None) -> Hooks:
    """Return hooks that make spans: one per job from its submission to its result, and children per request.

    A job's span ends when a handle of the same client sees the job finished; its attributes hold the queue time and the
    execution time.

    Example:
        ``client = Client(hooks=tracing_hooks())``

    Args:
        tracer_provider: The provider of spans; None for the global one.
    """
    tracer = trace.get_tracer("runpod_typed", __version__, tracer_provider)
    spans = _Spans(tracer)
    return Hooks(on_request=spans.on_request, on_response=spans.on_response, on_job_end=spans.on_job_end)


def webhook_context(headers: Mapping[str, str]) -> context.Context:
    """Return the context of the trace that a webhook's headers name (``traceparent``), to start spans in.

    Example:
        ``with tracer.start_as_current_span("webhook", context=webhook_context(request.headers)): ...``

    Args:
        headers: The headers of the webhook's request.
    """
    return propagate.extract({name.lower(): value for name, value in headers.items()})


class _Spans:
    """The spans that are open. If there are too many, that of the oldest job ends without an outcome."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._requests = dict[int, tuple[trace.Span, trace.Span | None]]()
        self._jobs = OrderedDict[tuple[str, str], trace.Span]()

    def on_request(self, request: RequestInfo) -> None:
        job: trace.Span | None = None
        if request.job_id is not None:
            job = self._jobs.get((request.endpoint_id, request.job_id))
        elif request.operation in {"run", "run_sync"}:
            job = self._tracer.start_span(
                f"run {request.endpoint_id}",
                kind=trace.SpanKind.PRODUCER,
                attributes={
                    "messaging.system": "runpod",
                    "messaging.operation.name": request.operation,
                    "messaging.destination.name": request.endpoint_id,
                },
            )
        parent = None if job is None else trace.set_span_in_context(job)
        url = urlsplit(request.url)
        span = self._tracer.start_span(
            f"{request.method} {request.operation}",
            context=parent,
            kind=trace.SpanKind.CLIENT,
            attributes={
                "http.request.method": request.method,
                "url.full": request.url,
                "server.address": url.hostname or "",
                "runpod.endpoint.id": request.endpoint_id,
                **({"http.request.resend_count": request.attempt - 1} if request.attempt > 1 else {}),
            },
        )
        self._requests[id(request)] = (span, job if request.job_id is None else None)

    def on_response(self, response: ResponseInfo) -> None:
        span, job = self._requests.pop(id(response.request), (trace.INVALID_SPAN, None))
        if response.status_code is not None:
            span.set_attribute("http.response.status_code", response.status_code)
        if response.job_id is not None:
            span.set_attribute("messaging.message.id", response.job_id)
        error = response.error
        kind = "interrupted" if error is None else type(error).__name__
        if error is not None or response.status_code is None:
            _fail(span, kind, "the request was interrupted" if error is None else error.message)
        span.end()
        if job is None:
            return
        if response.job_id is None:
            _fail(job, kind, "no job is known to have been submitted")
            job.end()
            return
        job.set_attribute("messaging.message.id", response.job_id)
        self._jobs[response.request.endpoint_id, response.job_id] = job
        if len(self._jobs) > _OPEN_SPANS:
            self._jobs.popitem(last=False)[1].end()

    def on_job_end(self, end: JobEnd) -> None:
        state, status = end.state, str(end.state.status)  # exporters know plain strings
        span = self._jobs.pop((end.endpoint_id, state.id), trace.INVALID_SPAN)
        span.set_attribute("runpod.job.status", status)
        span.set_attribute("runpod.job.retries", state.retries)
        if state.delay_time_ms is not None:
            span.set_attribute("runpod.job.delay_time_ms", state.delay_time_ms)
        if state.execution_time_ms is not None:
            span.set_attribute("runpod.job.execution_time_ms", state.execution_time_ms)
        if not state.succeeded:
            _fail(span, status, f"the job is {status}")
        span.end()


def _fail(span: trace.Span, kind: str, description: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR, description)
