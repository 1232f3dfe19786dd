"""Every public docstring says what a caller has to know."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

import runpod_typed
from runpod_typed import ConfigurationError, RunpodError
from runpod_typed._models.durations import to_optional_seconds
from tests.docs.docstrings import Public, complaints, describe, public
from tests.docs.raised import raised_in

PUBLIC = list(public())


@pytest.mark.parametrize("one", PUBLIC, ids=lambda one: one.name)
def test_a_public_docstring_is_complete(one: Public) -> None:
    assert list(complaints(one)) == []


def test_nothing_public_is_overlooked() -> None:
    names = {one.name for one in PUBLIC}

    assert len(names) == len(PUBLIC) > 150
    assert names >= {
        "runpod_typed.AsyncClient",
        "runpod_typed.AsyncJob.stream_detailed",
        "runpod_typed.Client.endpoint",
        "runpod_typed.Codec.decode",
        "runpod_typed.Job.state",
        "runpod_typed.JobStatus.is_terminal",
        "runpod_typed.RateLimits.off",
        "runpod_typed.WaitTimeoutError",
        "runpod_typed.webhooks.parse_webhook",
        "runpod_typed.local.LocalQueue.advance",
        "runpod_typed.local.progress_update",
    }


def of_job(name: str) -> Public:
    (found,) = (one for one in PUBLIC if one.name == f"runpod_typed.Job.{name}")
    return found


def without(one: Public, line: str) -> list[str]:
    """What is said of a docstring that lacks a line."""
    assert line in one.docstring
    shorter = "\n".join(text for text in one.docstring.splitlines() if line not in text)
    return list(complaints(evolve(one, docstring=shorter)))


def test_a_parameter_that_is_not_told_of_is_noticed() -> None:
    assert without(of_job("wait"), "queue_timeout: Seconds") == ["says nothing of queue_timeout"]


def test_an_error_that_is_not_told_of_is_noticed() -> None:
    assert without(of_job("cancel"), "APIError: ") == ["does not say that it raises APIError"]


def test_a_source_that_is_not_given_is_noticed() -> None:
    health = describe("runpod_typed.EndpointHealth", runpod_typed.EndpointHealth)

    for one in (of_job("stream"), health):
        assert without(one, "Source: ") == ["does not give the source of what it says of the API"]


def test_a_duration_without_a_unit_is_noticed() -> None:
    def nap(length: float | timedelta) -> None:
        """Do nothing for a while.

        Args:
            length: How long.
        """

    assert list(complaints(describe("nap", nap))) == ["gives no unit for length: 'How long.'"]


def test_a_limit_without_a_range_is_noticed() -> None:
    wait = of_job("wait")
    vague = wait.docstring.replace(", 0 or more", "")

    assert list(complaints(evolve(wait, docstring=vague))) == [
        "gives no range for queue_timeout: 'Seconds (or a timedelta) until a worker must have it; None for no limit.'"
    ]


def test_what_is_raised_deeper_down_is_noticed_unless_it_is_caught() -> None:
    assert without(of_job("cancel"), "OutputError: ") == ["does not say that it raises OutputError"]
    assert "ConfigurationError" in raised_in(to_optional_seconds)
    assert raised_in(RunpodError.__reduce__) == set()


def test_what_a_function_raises_itself_is_noticed_and_so_is_an_error_that_there_is_not() -> None:
    def refuse(value: int) -> None:
        """Take nothing at all.

        Args:
            value: Any number.

        Raises:
            WhateverError: It is a number.
        """
        raise ConfigurationError(f"no {value}")

    assert list(complaints(describe("refuse", refuse))) == [
        "does not say that it raises ConfigurationError",
        "says that it raises WhateverError, which is no error",
    ]


def test_a_name_without_a_docstring_is_noticed() -> None:
    def bare() -> None: ...

    assert list(complaints(describe("bare", bare))) == ["has no docstring"]
