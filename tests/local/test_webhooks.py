"""Webhooks: what is posted, when, and how often."""

import logging
import socket

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller, eventually
from tests.local.receiver import receive


def test_posts_finished_job_with_input() -> None:
    with receive([200]) as receiver, LocalQueue(lambda job: {"echo": job["input"]}) as queue:
        client = Caller(queue)
        job_id = client.run({"x": 1}, webhook=receiver.url)
        shown = client.wait(job_id)
        (delivery,) = eventually(lambda: receiver.deliveries, bool)
    assert delivery.body == shown | {"input": {"x": 1}, "webhook": receiver.url}
    assert list(delivery.body) == sorted(delivery.body)
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["user-agent"] == "Go-http-client/2.0"
    version, trace, span, flags = delivery.headers["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert "authorization" not in delivery.headers
    assert queue.api_key not in str(delivery)


def test_posts_failed_and_cancelled_jobs() -> None:
    def handler(job: dict[str, object]) -> dict[str, object]:
        return {"error": "no"}

    with receive([204]) as receiver, LocalQueue(handler) as queue:
        client = Caller(queue)
        client.run(webhook=receiver.url)
        eventually(lambda: len(receiver.deliveries), lambda count: count == 1)
        queue.pause()
        client.post(f"/cancel/{client.run(webhook=receiver.url)}")
        eventually(lambda: len(receiver.deliveries), lambda count: count == 2)
    assert [delivery.body["status"] for delivery in receiver.deliveries] == ["FAILED", "CANCELLED"]


def test_repeats_failed_delivery() -> None:
    with receive([500, 404, 200]) as receiver, LocalQueue(lambda job: 1, time_scale=0.001) as queue:
        client = Caller(queue)
        job_id = client.run(webhook=receiver.url)
        eventually(lambda: len(receiver.deliveries), lambda count: count == 3)
    assert {delivery.body["id"] for delivery in receiver.deliveries} == {job_id}


def test_gives_up_and_logs_after_three_failures(caplog: pytest.LogCaptureFixture) -> None:
    with receive([503]) as receiver, LocalQueue(lambda job: 1, time_scale=0.001) as queue:
        client = Caller(queue)
        with caplog.at_level(logging.WARNING, "runpod_typed.local"):
            job_id = client.run(webhook=receiver.url)
            eventually(lambda: caplog.messages, bool)
        assert client.wait(job_id)["status"] == "COMPLETED"
    assert len(receiver.deliveries) == 3
    assert caplog.messages == [f"The webhook of job {job_id} was not accepted: HTTP 503."]


def test_unreachable_receiver_does_not_fail_job(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with LocalQueue(lambda job: 1, time_scale=0.001) as queue:
        client = Caller(queue)
        with caplog.at_level(logging.WARNING, "runpod_typed.local"):
            assert client.wait(client.run(webhook=url))["status"] == "COMPLETED"
            eventually(lambda: caplog.messages, bool)
    assert "ConnectError" in caplog.messages[0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://127.0.0.1/\ud800", "http://\ud800/", "http://["])
def test_unusable_url_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with LocalQueue(lambda job: 1, time_scale=0.001) as queue:
        client = Caller(queue)
        with caplog.at_level(logging.WARNING, "runpod_typed.local"):
            job_id = client.run(webhook=url)
            eventually(lambda: caplog.messages, bool)
        assert client.wait(job_id)["status"] == "COMPLETED"
    assert f"The webhook of job {job_id} was not accepted" in caplog.messages[0]


def test_stop_ends_waiting_deliveries() -> None:
    with receive([500]) as receiver:
        with LocalQueue(lambda job: 1) as queue:
            client = Caller(queue)
            client.wait(client.run(webhook=receiver.url))
            eventually(lambda: len(receiver.deliveries), lambda count: count == 1)
        assert len(receiver.deliveries) == 1


def test_endless_response_is_not_read(caplog: pytest.LogCaptureFixture) -> None:
    with receive([200], endless=True) as receiver, LocalQueue(lambda job: 1, time_scale=0.001) as queue:
        client = Caller(queue)
        client.run(webhook=receiver.url)
        eventually(lambda: receiver.cut_off, bool)
    assert len(receiver.deliveries) == 1
    assert caplog.messages == []
