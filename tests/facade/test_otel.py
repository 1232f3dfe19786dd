"""Spans: one per job, and its requests as children."""

from collections.abc import Iterator

import pytest

pytest.importorskip("opentelemetry.sdk", exc_type=ImportError)

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runpod_typed import Client, JobFailedError, RequestInfo, ResponseInfo
from runpod_typed.local import LocalQueue
from runpod_typed.otel import tracing_hooks, webhook_context


def handler(job: dict[str, object]) -> object:
    if job["input"] == "fail":
        raise ValueError("too dark")
    return job["input"]


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(handler, endpoint_id="demo") as queue:
        yield queue


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def client(queue: LocalQueue, exporter: InMemorySpanExporter) -> Iterator[Client]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with Client(queue.api_key, base_url=queue.base_url, hooks=tracing_hooks(provider)) as client:
        yield client


def split(exporter: InMemorySpanExporter) -> tuple[list[ReadableSpan], list[ReadableSpan]]:
    spans = exporter.get_finished_spans()
    jobs = [span for span in spans if span.name == "run demo"]
    return jobs, [span for span in spans if span not in jobs]


def test_job_span_lasts_to_the_end_with_requests_below(client: Client, exporter: InMemorySpanExporter) -> None:
    job = client.endpoint("demo").run("hello")
    job.output(timeout=60)
    (span,), requests = split(exporter)
    assert span.attributes is not None
    assert span.attributes["messaging.message.id"] == job.id
    assert span.attributes["runpod.job.status"] == "COMPLETED"
    assert {type(value) for value in span.attributes.values()} <= {str, int}
    assert {"runpod.job.delay_time_ms", "runpod.job.execution_time_ms"} <= span.attributes.keys()
    assert len(requests) >= 2
    for request in requests:
        assert request.parent == span.get_span_context()
        assert (request.attributes or {})["http.response.status_code"] == 200


def test_failed_job_ends_its_span_as_an_error(client: Client, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(JobFailedError):
        client.endpoint("demo").run_sync("fail", timeout=60)
    (span,), _ = split(exporter)
    assert span.status.status_code is trace.StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "FAILED"


def test_each_attempt_has_a_span(client: Client, queue: LocalQueue, exporter: InMemorySpanExporter) -> None:
    queue.inject("server_error", operation="get_health", status=503)
    client.endpoint("demo").health()
    _, (first, second) = split(exporter)
    assert first.status.status_code is trace.StatusCode.ERROR
    assert (second.attributes or {})["http.request.resend_count"] == 1


def test_an_interrupted_submission_ends_its_spans(exporter: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    hooks = tracing_hooks(provider)
    request = RequestInfo(
        operation="run",
        endpoint_id="demo",
        job_id=None,
        method="POST",
        url="https://api.example/demo/run",
        attempt=1,
    )
    assert hooks.on_request is not None
    assert hooks.on_response is not None
    hooks.on_request(request)
    hooks.on_response(ResponseInfo(request=request, job_id=None, status_code=None, error=None, duration_ms=1.0))
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["POST run", "run demo"]
    assert {(span.status.status_code, (span.attributes or {})["error.type"]) for span in spans} == {
        (trace.StatusCode.ERROR, "interrupted")
    }


def test_webhook_joins_the_trace_of_its_headers() -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    context = webhook_context({"Traceparent": f"00-{trace_id}-{span_id}-01"})
    assert trace.get_current_span(context).get_span_context().trace_id == int(trace_id, 16)
