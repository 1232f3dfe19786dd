from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from runpod_typed import Client, RateLimit, RateLimits, RetryPolicy
from tests.scripted_server import answer, scripted

KEY = "rp-secret-key"
HEALTHY = answer(200, '{"jobs": {}, "workers": {}}')
QUEUED = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.levelno == level and record.name == "runpod_typed"
    ]


def test_retries_and_429_are_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runpod_typed")
    policy = RetryPolicy(initial_backoff=0)
    script = [answer(502)], [answer(429, "", "Retry-After: 0")], [HEALTHY]
    with scripted(*script) as server, Client(KEY, base_url=server.base_url, retry=policy) as client:
        client.endpoint("ep").health()
    assert lines(caplog, logging.INFO) == [
        "get_health GET /ep/health: 502; attempt 2 follows in 0 s",
        "get_health GET /ep/health: 429; Retry-After: 0.0",
        "get_health GET /ep/health: 429; attempt 3 follows in 0 s",
    ]


@pytest.mark.slow
def test_a_wait_for_a_rate_limit_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "runpod_typed")
    limits = RateLimits(overrides={"run": RateLimit(requests=1, window=0.6)})
    with scripted([QUEUED]) as server, Client(KEY, base_url=server.base_url, rate_limits=limits) as client:
        for _ in range(2):
            client.endpoint("ep").run({"n": 1})
    (line,) = lines(caplog, logging.INFO)
    assert line.endswith("s for the rate limit on 'run' of endpoint ep (1 requests in 0.6 s)")


def test_each_request_is_logged_at_debug_without_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    output = '{"id": "job-1", "status": "COMPLETED", "output": "the-output"}'
    with scripted([QUEUED], [answer(200, output)]) as server, Client(KEY, base_url=server.base_url) as client:
        client.endpoint("ep").run({"prompt": "the-input"}).status()
    first, second = lines(caplog, logging.DEBUG)
    assert first.startswith("run POST /ep/run: 200 (job job-1) in ")
    assert second.startswith("get_status GET /ep/status/job-1: 200 (job job-1) in ")
    assert not [secret for secret in (KEY, "the-input", "the-output") if secret in caplog.text]


PROGRAM = """
import httpx
from runpod_typed import Client
respond = httpx.MockTransport(lambda request: httpx.Response(200, json={"jobs": {}, "workers": {}}))
with Client("key", base_url="http://127.0.0.1:9", http_client=httpx.Client(transport=respond)) as client:
    client.endpoint("ep").health()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "begin", "logged"),
    [
        ("debug", "", "runpod_typed DEBUG: get_health GET /ep/health: 200"),
        ("INFO", "", None),
        ("", "", None),
        ("loud", "", "RUNPOD_TYPED_LOG='loud' is not one of debug, info, warning"),
        ("debug", "import logging; logging.basicConfig(level=0, format='mine %(message)s')", "mine get_health GET"),
    ],
)
def test_the_environment_turns_the_log_on(value: str, begin: str, logged: str | None) -> None:
    environment = {"RUNPOD_TYPED_LOG": value, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", begin + PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    if logged is None:
        assert done.stderr == ""
    else:
        assert logged in done.stderr
        assert done.stderr.count("get_health") <= 1
