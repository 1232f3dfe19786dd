from __future__ import annotations

import json
import warnings
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import wire
from runpod_queue_api.api.jobs import get_status, run, stream
from runpod_queue_api.models import RunRequest, S3Config

from runpod_typed._core import operations
from runpod_typed._core.error_messages import oversize_error
from runpod_typed._core.operations import generated_request
from runpod_typed._core.requests import Request, with_query
from runpod_typed._models.responses import ValidationError
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed.errors import ConfigurationError
from tests.contract.described import OPERATIONS
from tests.core.calls import REQUESTS


def filled(size: int) -> RunRequest:
    """A body of exactly that size."""
    empty = len(json.dumps({"input": ""}, separators=(",", ":")))
    return RunRequest(input_="x" * (size - empty))


RUN_CAP = wire.PAYLOAD_CAPS["run"]
RUN_SYNC_CAP = wire.PAYLOAD_CAPS["run_sync"]


QUERIES = {"run_sync": "?wait=5000", "get_status_sync": "?wait=5000", "stream": "?wait=5000"}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_says_what_is_asked_of_whom(name: str) -> None:
    request, described = REQUESTS[name], OPERATIONS[name]
    path = described.path.format(endpoint_id="ep", job_id="job-1")
    assert request.http.method == described.method.upper()
    assert request.http.target == path + QUERIES.get(name, "")
    assert request.endpoint_id == "ep"
    assert request.http.body == (b'{"input":{"prompt":"Hello"}}' if name in {"run", "run_sync"} else None)


def test_sends_a_ttl_if_there_is_one() -> None:
    without = operations.fetch_status("ep", "j").http.target
    assert "?" not in without
    assert operations.fetch_status("ep", "j", ttl_ms=6000).http.target == f"{without}?ttl=6000"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_id_of_a_server_s_making_leaves_its_place_in_the_path(job_id: str) -> None:
    for request in (operations.fetch_status("ep", job_id), operations.long_poll_status("ep", job_id, wait_ms=1000)):
        parts = urlsplit(f"http://127.0.0.1{request.http.target}")
        assert parts.path.count("/") == 3
        assert parts.fragment == ""
        assert request.http.target.isascii()
        assert not any(character.isspace() for character in request.http.target)


def test_a_request_shows_no_body_for_it_may_hold_credentials() -> None:
    storage = S3Config(access_id="CANARY", access_secret="CANARY", bucket_name="b", endpoint_url="u")
    request = operations.submit("ep", RunRequest(input_=1, s_3_config=storage))
    assert b"CANARY" in (request.http.body or b"")
    assert "CANARY" not in repr(request)


# Caps


def oversize(request: Request[Any]) -> Any:
    return oversize_error(request)


def test_a_body_of_exactly_the_cap_may_be_sent() -> None:
    assert not operations.submit("ep", filled(RUN_CAP)).is_too_large
    assert not operations.submit_and_wait("ep", filled(RUN_SYNC_CAP), long_poll_ms=5000).is_too_large


def test_refuses_a_larger_body_with_its_size_and_advice() -> None:
    size = RUN_CAP + 2**20
    found = oversize(operations.submit("ep", filled(size)))
    assert found.status_code == 413
    sizes = f"makes a request of {size / 2**20:.1f} MiB, and run takes {RUN_CAP / 2**20:.0f} MiB. Nothing was sent."
    assert sizes in found.message
    assert "run_sync() takes larger ones; or put large data into storage" in found.message
    found = oversize(operations.submit_and_wait("ep", filled(RUN_SYNC_CAP + 1), long_poll_ms=5000))
    assert f"run_sync takes {RUN_SYNC_CAP / 2**20:.0f} MiB. Nothing was sent. Put large data into" in found.message


def test_the_refusal_shows_nothing_of_the_body() -> None:
    found = oversize(operations.submit("ep", filled(RUN_CAP + 1)))
    assert len(found.message) < 500
    assert found.__traceback__ is None


def test_what_has_no_cap_is_never_too_large() -> None:
    assert not REQUESTS["get_status"].is_too_large


# Submitting and waiting at once


def test_waits_for_the_result_if_there_is_time() -> None:
    request = operations.submit_and_wait("ep", filled(100), long_poll_ms=1234)
    assert (request.operation.name, request.http.target) == ("run_sync", "/ep/runsync?wait=1234")


def test_queues_the_job_plainly_without_time_to_wait() -> None:
    assert operations.submit_and_wait("ep", filled(RUN_CAP), long_poll_ms=None).operation.name == "run"


def test_long_polls_shortly_if_only_the_body_needs_run_sync() -> None:
    request = operations.submit_and_wait("ep", filled(RUN_CAP + 1), long_poll_ms=None)
    assert request.http.target == "/ep/runsync?wait=1000"


# What is held, and for how long


@pytest.mark.parametrize("name", ["run_sync", "get_status_sync", "stream"])
@pytest.mark.parametrize(
    ("seconds", "long_poll_ms"),
    [(30.0, 5000), (5.05, 5000), (5.0, 4000), (3.5, 2500), (2.0, 1000), (0.5, 1000), (-1.0, 1000)],
)
def test_a_long_poll_is_shorter_than_its_attempt(name: str, seconds: float, long_poll_ms: int) -> None:
    fitted = REQUESTS[name].shortened_to(seconds)
    assert fitted.long_poll_ms == long_poll_ms
    assert fitted.http.target.endswith(f"wait={long_poll_ms}")
    assert (fitted.http.method, fitted.http.body) == (REQUESTS[name].http.method, REQUESTS[name].http.body)
    assert fitted.operation == REQUESTS[name].operation


def test_keeps_a_long_poll_that_fits_or_is_the_shortest() -> None:
    request = operations.long_poll_status("ep", "j", wait_ms=1000)
    assert request.shortened_to(30.0) is request
    assert request.shortened_to(0.1) is request


@pytest.mark.parametrize("name", sorted(set(REQUESTS) - {"run_sync", "get_status_sync", "stream"}))
def test_keeps_a_request_without_a_long_poll(name: str) -> None:
    assert REQUESTS[name].long_poll_ms is None
    assert REQUESTS[name].shortened_to(0.1) is REQUESTS[name]


# Any generated operation


STORAGE = S3Config(access_id="an-id", access_secret="a-secret", bucket_name="b", endpoint_url="u")


def described(**parts: Any) -> Any:
    """A generated operation whose request has these parts."""

    def built(endpoint_id: str, body: object = None) -> dict[str, Any]:
        return {"method": "post", "url": f"/{endpoint_id}/new", **parts}

    def read(status: int, data: object) -> tuple[int, object]:
        return status, data

    return SimpleNamespace(__name__="api.new", _get_kwargs=built, _read_success=read)


def test_a_generated_operation_reads_its_own_model() -> None:
    request = generated_request(get_status, "ep", "job-1")
    assert (request.endpoint_id, request.operation.kind) == ("ep", OperationKind.READ)
    state = request.operation.read({"id": "job-1", "status": "COMPLETED", "output": {"a": None}, "error": None})
    assert state.to_dict() == {"id": "job-1", "status": "COMPLETED", "output": {"a": None}}


def test_a_response_without_content_is_read_by_its_status() -> None:
    read = generated_request(described(), "ep").operation.read
    assert (read(None), read({})) == ((204, None), (200, {}))


def test_a_response_that_python_cannot_follow_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ValidationError, match="nested too deeply"):
        generated_request(described(), "ep").operation.read({"a": deep})


def test_a_generated_operation_that_may_act_is_not_a_read() -> None:
    assert generated_request(described(), "ep").operation.kind is OperationKind.PURGE
    assert generated_request(described(method="delete"), "ep").operation.kind is OperationKind.CANCEL
    assert generated_request(stream, "ep", "job-1").operation.kind is OperationKind.PURGE


def test_credentials_anywhere_in_a_body_are_noted() -> None:
    bodies: list[Any] = [RunRequest(input_=1, s_3_config=STORAGE), [STORAGE], STORAGE]
    for body in bodies:
        credentials = generated_request(described(), "ep", body).http.credentials
        assert [secret.reveal() for secret in credentials] == ["an-id", "a-secret"]
    assert generated_request(run, "ep", body=RunRequest(input_=1)).http.credentials == ()


def test_headers_and_cookies_of_an_operation_are_sent() -> None:
    parts = described(headers={"X-Count": 3, "Content-Type": "application/json"}, cookies={"a": "b", "c": "d"})
    assert generated_request(parts, "ep").http.headers == ((b"X-Count", b"3"), (b"Cookie", b"a=b; c=d"))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"files": {}}, "cannot send: files"),
        ({"headers": {"Content-Type": "text/plain"}}, "cannot send: text/plain"),
        ({"headers": {"X-Name": "a\r\nb"}}, "X-Name of .* has a character that a header cannot hold"),
    ],
)
def test_parts_that_cannot_be_sent_are_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        generated_request(described(**parts), "ep")


def test_a_deprecated_operation_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    name = generated_request(described(), "ep").operation.name
    monkeypatch.setattr(wire, "DEPRECATED_OPERATIONS", frozenset({name}))
    with pytest.warns(DeprecationWarning, match=f"The operation {name} is deprecated"):
        generated_request(described(), "ep")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        (("params", "wait"), {"params": {"wait": 1}}),
        (("headers", "X-Region"), {"headers": {"X-Region": "eu"}}),
        (("json", "policy", "ttl"), {"json": {"policy": {"ttl": 1}}}),
        (("json", "requests", "policy", "ttl"), {"json": {"requests": [{"input": 1}, {"policy": {"ttl": 1}}]}}),
    ],
)
def test_a_deprecated_part_of_a_request_warns_if_sent(
    keys: tuple[str, ...], part: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = generated_request(described(), "ep").operation.name
    monkeypatch.setattr(wire, "DEPRECATED_INPUTS", {name: (keys,)})
    with pytest.warns(DeprecationWarning, match=rf"^{'[.]'.join(keys[1:])} of the operation {name} is deprecated"):
        generated_request(described(**part), "ep")
    bodies: list[Any] = [None, {"policy": None}, {"policy": 1}, {"requests": [{}, 1]}]
    for body in bodies:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            generated_request(described(json=body), "ep")


def test_query_parameters_keep_their_kinds() -> None:
    for value, sent in ((1, "a=1"), (True, "a=true"), (1.0, "a=1.0"), (["x", False], "a=x&a=false"), ([], "")):
        assert generated_request(described(params={"a": value}), "ep").http.target == f"/ep/new?{sent}"


# Query parameters that the specification does not know


def test_an_extra_query_is_kept_by_each_long_poll() -> None:
    request = with_query(operations.long_poll_status("ep", "j", wait_ms=5000), {"region": "eu", "fast": True})
    assert request.http.target.endswith("?wait=5000&region=eu&fast=true")
    assert request.shortened_to(2.0).http.target.endswith("?wait=1000&region=eu&fast=true")
    assert with_query(operations.fetch_status("ep", "j"), {"a": 1}).http.target.endswith("/j?a=1")


def test_no_extra_query_leaves_the_request_as_it_is() -> None:
    request = operations.fetch_status("ep", "j")
    assert with_query(request, None) is with_query(request, {}) is request


@pytest.mark.parametrize("extra", [{1: "a"}, {"a": "\ud800"}, {"\ud800": 1}, {"a": ["b", "\ud800"]}])
def test_an_extra_query_that_cannot_be_sent_is_refused(extra: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"extra_query= has a parameter that cannot be sent"):
        with_query(operations.fetch_status("ep", "j"), extra)


def test_an_extra_query_that_is_sent_already_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is sent already: wait"):
        with_query(operations.long_poll_status("ep", "j", wait_ms=5000), {"wait": 1})
