from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import runpod_typed
from runpod_typed import Client, JobStatus, RetryPolicy, errors
from runpod_typed._core.call import RateLimitTimeoutError
from runpod_typed._models.health import read_health
from runpod_typed._models.responses import read_job
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    InputError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JournalError,
    NotFoundError,
    OutputError,
    QueueTimeoutError,
    RunpodError,
    StreamInterruptedError,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from tests.core.calls import KEY, copies
from tests.scripted_server import CLOSE, answer, scripted

# The tree


def tree(of: type[RunpodError] = RunpodError) -> Iterator[type[RunpodError]]:
    """Every class of the library's tree, the public and the private ones."""
    yield of
    for below in of.__subclasses__():
        if below.__module__.startswith("runpod_typed"):
            yield from tree(below)


CLASSES: Final = list(dict.fromkeys(tree()))
PUBLIC: Final = [raised for raised in CLASSES if raised.__module__ == "runpod_typed.errors"]


def test_names_the_public_module_before_it_is_imported() -> None:
    program = (
        "from runpod_typed import ExecutionPolicy\n"
        "try: ExecutionPolicy(ttl=1)\n"
        "except ValueError as error: print(type(error).__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "runpod_typed.errors\n"


def test_every_error_is_exported_and_drawn() -> None:
    names = {raised.__name__ for raised in PUBLIC}
    assert names == set(errors.__all__)
    assert names <= set(runpod_typed.__all__)
    assert all(getattr(runpod_typed, name) is getattr(errors, name) for name in names)
    drawn = re.findall(r"(\w+Error)(?: \((\w+)\))?", errors.__doc__ or "")
    assert {name for name, _ in drawn} == names
    for name, besides in drawn:
        assert not besides or issubclass(getattr(errors, name), getattr(__import__("builtins"), besides))


def test_the_drawing_matches_the_base_classes() -> None:
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^ {4}(?P<indent>[│├└─ ]*)(?P<name>\w+Error)\b", line)
        if match is None:
            continue
        depth = len(match["indent"]) // 4
        above[depth:] = [match["name"]]
        if depth:
            assert getattr(errors, above[depth - 1]) in getattr(errors, match["name"]).__bases__


def test_private_errors_derive_from_public_ones() -> None:
    assert set(CLASSES) - set(PUBLIC) == {RateLimitTimeoutError}
    assert RateLimitTimeoutError.__base__ in PUBLIC


def test_errors_derive_from_the_builtin_classes_that_fit() -> None:
    assert {raised for raised in PUBLIC if issubclass(raised, TimeoutError)} == {
        APITimeoutError,
        WaitTimeoutError,
        QueueTimeoutError,
    }
    assert {raised for raised in PUBLIC if issubclass(raised, ValueError)} == {
        ConfigurationError,
        InputError,
        JournalError,
    }


# Pickles

ASKED: Final[dict[str, Any]] = {
    "operation": "get_status",
    "method": "GET",
    "url": "https://api.example/v2/ep/status/job-1",
}
STATE: Final = read_job({"id": "job-1", "status": "PAUSED", "workerId": "w", "output": {"step": [1]}})


def job() -> Any:
    with Client(KEY, base_url="https://api.example/v2") as client:
        return client.endpoint("ep").job("job-1")


OPTIONS: Final[list[tuple[type[RunpodError], Callable[[], dict[str, Any]]]]] = [
    (InputError, lambda: {"path": "$.size[0]"}),
    (OutputError, lambda: {"path": "$.size[0]", "output": {"size": ["5"]}, "job_id": "job-1", "state": STATE}),
    (APIError, lambda: ASKED),
    (APIConnectionError, lambda: {"request_sent": True}),
    (APIStatusError, lambda: {"status_code": 524, "body": {"error": [None, 1.5]}, "request_id": "r-1"}),
    (APIStatusError, lambda: {"headers": {"server": "edge"}, "retry_after": 0.5}),
    (APIResponseValidationError, lambda: {"status_code": 200, "body": "<html>", "request_id": "r-1"}),
    (SubmissionUncertainError, lambda: {"endpoint_id": "ep"}),
    (JobError, lambda: {"job_id": "job-1", "state": STATE}),
    (JobFailedError, lambda: {"error_type": "ValueError", "error_message": "m"}),
    (JobFailedError, lambda: {"remote_traceback": "t", "worker_id": "w", "output": {"a": [1]}}),
    (JobFailedError, lambda: {"logs": "l", "event": "e", "hook": "h"}),
    (WaitTimeoutError, lambda: {"job": job()}),
    (QueueTimeoutError, lambda: {"health": read_health({"workers": {"idle": 1}})}),
    (StreamInterruptedError, lambda: {"job_id": "job-1", "received": [1, None, {"a": 1}], "gap": 2}),
]


def made(raised: type[RunpodError]) -> RunpodError:
    """An error with something in every attribute."""
    options: dict[str, Any] = {}
    for above, make in OPTIONS:
        if issubclass(raised, above):
            options |= make()
    return raised("what happened", **options)


def is_equal(one: BaseException, other: BaseException) -> bool:
    return type(one) is type(other) and (one.args, str(one), vars(one)) == (other.args, str(other), vars(other))


@pytest.mark.parametrize("raised", CLASSES)
def test_errors_survive_copies_and_pickles(raised: type[RunpodError]) -> None:
    error = made(raised)
    error.add_note("a note")
    for copied in copies(error):
        assert is_equal(copied, error)
        assert copied.message == "what happened"
        assert copied.__notes__ == ["a note"]


@pytest.mark.parametrize("raised", CLASSES)
def test_errors_survive_pickles_within_a_group(raised: type[RunpodError]) -> None:
    group = ExceptionGroup("several", [made(raised), ExceptionGroup("more", [made(raised)])])
    outer = pickle.loads(pickle.dumps(group))
    assert is_equal(outer.exceptions[0], made(raised))
    assert is_equal(outer.exceptions[1].exceptions[0], made(raised))


def test_subclasses_of_users_survive_pickles() -> None:
    error = OurError("what happened", job_id="job-1", state=STATE)
    assert is_equal(pickle.loads(pickle.dumps(error)), error)


class OurError(JobError):
    """As a user may define one."""


@pytest.mark.parametrize("raised", CLASSES)
def test_message_is_the_string_and_may_be_missing(raised: type[RunpodError]) -> None:
    assert made(raised).message == str(made(raised)) == "what happened"
    assert raised.__new__(raised).message == ""


def test_errors_copy_the_containers_they_hold() -> None:
    received, headers = [1], {"a": "b"}
    interrupted = StreamInterruptedError("x", job_id="j", received=received, gap=1)
    refused = APIStatusError("x", **ASKED, status_code=400, headers=headers)
    received.append(2)
    headers["c"] = "d"
    assert (interrupted.received, refused.headers) == ([1], {"a": "b"})


@pytest.mark.parametrize("raised", [WaitTimeoutError, QueueTimeoutError])
def test_the_job_of_an_unpickled_error_reconnects(raised: type[RunpodError], monkeypatch: pytest.MonkeyPatch) -> None:
    error = WaitTimeoutError("x", job=job())
    data = pickle.dumps(made(raised))
    assert KEY.encode() not in data
    with scripted([answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 5}')]) as server:
        with Client(KEY, base_url=server.base_url) as client:
            data = pickle.dumps(WaitTimeoutError("x", job=client.endpoint("ep").job("job-1")))
        first, second = pickle.loads(data), pickle.loads(data)  # without a key to be had, this must work
        assert (first.job, first.job.endpoint_id) == (second.job, "ep")
        with pytest.raises(ConfigurationError, match="no API key"):
            first.job.output(5)
        monkeypatch.setenv("RUNPOD_API_KEY", "key-of-that-process")
        assert first.job.output(5) == 5
        assert "Authorization: Bearer key-of-that-process" in server.requests[0]
    assert error.job == made(raised).__dict__["job"]


# Secrets; what no transport shows is tried with each of them, where clients are


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it is chained to."""
    yield error
    for further in (error.__cause__, error.__context__):
        if further is not None:
            yield from chain(further)


@pytest.mark.parametrize("raised", CLASSES)
def test_errors_hold_no_secret(raised: type[RunpodError]) -> None:
    error = made(raised)
    assert KEY not in f"{error}{error!r}{vars(error)}"
    assert KEY.encode() not in pickle.dumps(error)


def test_raised_errors_are_chained_to_our_errors_only() -> None:
    with (
        scripted([CLOSE]) as server,
        Client(KEY, base_url=server.base_url, retry=FAST) as client,
        pytest.raises(SubmissionUncertainError) as caught,
    ):
        client.endpoint("ep").run({"a": 1})
    links = list(chain(caught.value))
    assert len(links) >= 2
    assert all(isinstance(link, RunpodError) for link in links)


# As people meet them

FAST: Final = RetryPolicy(attempts=2, initial_backoff=0.001, max_backoff=0.001)
RUNNING: Final = answer(200, '{"id": "job-1", "status": "IN_PROGRESS"}')
FAILED: Final = answer(200, '{"id": "job-1", "status": "FAILED", "error": "boom"}')


def test_a_failed_job_raises_with_its_state() -> None:
    with (
        scripted([FAILED]) as server,
        Client(KEY, base_url=server.base_url) as client,
        pytest.raises(JobFailedError, match="boom") as caught,
    ):
        client.endpoint("ep").job("job-1").output(5)
    assert caught.value.state is not None
    assert caught.value.state.status is JobStatus.FAILED


@pytest.mark.slow
def test_a_404_is_expired_only_if_the_job_was_seen() -> None:
    with scripted([RUNNING], [answer(404)]) as server, Client(KEY, base_url=server.base_url, retry=FAST) as client:
        seen = client.endpoint("ep").job("job-1")
        seen.status()
        with pytest.raises(JobExpiredError, match="last seen IN_PROGRESS"):
            seen.status(timeout=1)
        with pytest.raises(NotFoundError):
            client.endpoint("ep").job("job-2").status()


def test_a_wait_can_go_on_after_its_timeout() -> None:
    completed = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 5}')
    with scripted([RUNNING], [completed]) as server, Client(KEY, base_url=server.base_url) as client:
        with pytest.raises(TimeoutError) as caught:
            client.endpoint("ep").job("job-1").output(0)
        assert isinstance(caught.value, WaitTimeoutError)
        assert caught.value.job.output(5) == 5
