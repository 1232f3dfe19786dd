"""Arguments that no call takes. Checked for its types, never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# These follow from a mistake, and are none.

from datetime import timedelta

import httpx

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    Client,
    Endpoint,
    ExecutionPolicy,
    FailedAttempt,
    Job,
    PollPolicy,
    RateLimit,
    RateLimits,
    RetryPolicy,
    S3Config,
)
from runpod_typed.local import Faults, LocalQueue


def a_duration_is_no_text(client: Client, endpoint: Endpoint, job: Job) -> None:
    Client(timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    client.with_options(timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run({"a": 1}, timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run_sync({"a": 1}, timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.health("30")  # E: mypy[arg-type] pyright[reportArgumentType]
    job.output("30")  # E: mypy[arg-type] pyright[reportArgumentType]
    job.wait(queue_timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    job.status(ttl="1h")  # E: mypy[arg-type] pyright[reportArgumentType]
    job.stream(timeout=b"30")  # E: mypy[arg-type] pyright[reportArgumentType]
    job.output(httpx.Timeout(30))  # E: mypy[arg-type] pyright[reportArgumentType]
    Client(timeout=None)  # E: mypy[arg-type] pyright[reportArgumentType]


def policies_take_what_they_say() -> None:
    ExecutionPolicy(execution_timeout="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    ExecutionPolicy(30)  # E: mypy[call-arg] pyright[reportCallIssue]
    ExecutionPolicy(timeout=30)  # E: mypy[call-arg] pyright[reportCallIssue]
    RetryPolicy(attempts=timedelta(seconds=3))  # E: mypy[arg-type] pyright[reportArgumentType]
    RetryPolicy(attempts=2.5)  # E: mypy[arg-type] pyright[reportArgumentType]
    RetryPolicy(budget="30")  # E: mypy[arg-type] pyright[reportArgumentType]
    RetryPolicy(budget=None)  # E: mypy[arg-type] pyright[reportArgumentType]
    RetryPolicy(decide=never_asked)  # E: mypy[arg-type] pyright[reportArgumentType]
    PollPolicy(min_interval="1")  # E: mypy[arg-type] pyright[reportArgumentType]
    PollPolicy(jitter=timedelta(seconds=1))  # E: mypy[arg-type] pyright[reportArgumentType]
    RateLimit(requests=3, window="1")  # E: mypy[arg-type] pyright[reportArgumentType]
    RateLimit()  # E: mypy[call-arg] pyright[reportCallIssue]
    RateLimits(overrides={"run": 3})  # E: mypy[dict-item] pyright[reportArgumentType]
    S3Config(access_id="a", access_secret="b", bucket_name="c")  # E: mypy[call-arg] pyright[reportCallIssue]
    S3Config(
        access_id=1,  # E: mypy[arg-type] pyright[reportArgumentType]
        access_secret="b",
        bucket_name="c",
        endpoint_url="d",
    )


def never_asked(attempt: FailedAttempt, again: bool) -> bool:
    return again and attempt.retryable


def policies_stand_where_they_belong(endpoint: Endpoint) -> None:
    Client(retry=PollPolicy())  # E: mypy[arg-type] pyright[reportArgumentType]
    Client(retry=None)  # E: mypy[arg-type] pyright[reportArgumentType]
    Client(rate_limits=RateLimit(requests=3))  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run({"a": 1}, policy=RetryPolicy())  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run({"a": 1}, policy={"ttl": 30})  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run({"a": 1}, s3_config={"accessId": "a"})  # E: mypy[arg-type] pyright[reportArgumentType]


def there_are_no_other_keywords(client: Client, endpoint: Endpoint, job: Job) -> None:
    Client(api_kez="key")  # E: mypy[call-arg] pyright[reportCallIssue]
    Client("key", "http://127.0.0.1")  # E: mypy[call-arg] pyright[reportCallIssue]
    client.endpoint("id", output=str)  # E: mypy[call-overload] pyright[reportCallIssue]
    client.endpoint("id", str)  # E: mypy[call-overload] pyright[reportCallIssue]
    client.endpoint()  # E: mypy[call-overload] pyright[reportCallIssue]
    Endpoint("id", output=str)  # E: mypy[call-overload] pyright[reportCallIssue]
    endpoint.run({"a": 1}, webhok="https://example.org")  # E: mypy[call-arg] pyright[reportCallIssue]
    endpoint.run({"a": 1}, "https://example.org")  # E: mypy[call-arg] pyright[reportCallIssue]
    job.cancel(force=True)  # E: mypy[call-arg] pyright[reportCallIssue]
    job.result()  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def ids_are_texts(client: Client, endpoint: Endpoint) -> None:
    client.endpoint(7)  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    endpoint.job(None)  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.job(7)  # E: mypy[arg-type] pyright[reportArgumentType]


def each_half_has_its_own_connections() -> None:
    Client(http_client=httpx.AsyncClient())  # E: mypy[arg-type] pyright[reportArgumentType]
    AsyncClient(http_client=httpx.Client())  # E: mypy[arg-type] pyright[reportArgumentType]
    Endpoint("id", client=AsyncClient())  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    AsyncEndpoint("id", client=Client())  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]


def a_local_queue_takes_what_it_says() -> None:
    LocalQueue(handler="handler.py")  # E: mypy[arg-type] pyright[reportArgumentType]
    LocalQueue({"return_aggregate_stream": True})  # E: mypy[arg-type] pyright[reportArgumentType]
    LocalQueue(limits="none")  # E: mypy[arg-type] pyright[reportArgumentType]
    LocalQueue(time_scale="fast")  # E: mypy[arg-type] pyright[reportArgumentType]
    LocalQueue(faults=0.1)  # E: mypy[arg-type] pyright[reportArgumentType]
    LocalQueue(wokers=2)  # E: mypy[call-arg] pyright[reportCallIssue]
    Faults(kinds=[1])  # E: mypy[list-item] pyright[reportArgumentType]
