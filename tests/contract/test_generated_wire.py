"""The figures of `wire.py` are those of the vendor's documents, written down here a second time on purpose."""

import re
from typing import Final

import pytest
from runpod_queue_api import wire
from runpod_queue_api.wire import OperationLimit

MIB: Final = 1024 * 1024
DAY_MS: Final = 24 * 60 * 60 * 1000


def test_the_rate_limits_are_the_published_ones() -> None:
    assert dict(wire.OPERATION_LIMITS) == {
        "run": OperationLimit("run", 1000, 10.0, 200),
        "run_sync": OperationLimit("run_sync", 2000, 10.0, 400),
        "get_status": OperationLimit("status", 2000, 10.0, 400),
        "get_status_sync": OperationLimit("status", 2000, 10.0, 400),
        "stream": OperationLimit("status", 2000, 10.0, 400),
        "cancel": OperationLimit("cancel", 100, 10.0, 20),
        "purge_queue": OperationLimit("purge_queue", 2, 10.0, None),
        "get_requests": OperationLimit("requests", 10, 10.0, 2),
        "list_models": OperationLimit("openai", 2000, 10.0, 400),
    }


def test_the_payload_caps_are_the_published_ones() -> None:
    assert dict(wire.PAYLOAD_CAPS) == {"run": 10 * MIB, "run_sync": 20 * MIB, "append_batch_requests": 10 * MIB}
    assert wire.STREAM_CHUNK_CAP == MIB


def test_figures_cannot_be_changed_by_accident() -> None:
    assert not hasattr(wire.OPERATION_LIMITS, "__setitem__")
    assert not hasattr(wire.PAYLOAD_CAPS, "__setitem__")


@pytest.mark.parametrize(
    ("figure", "documented"),
    [
        (wire.SERVER_URL, "https://api.runpod.ai/v2"),
        (wire.OPENAI_BASE_PATH, "/{endpoint_id}/openai/v1"),
        (wire.WAIT_MIN_MS, 1_000),
        (wire.WAIT_MAX_MS, 300_000),
        (wire.WAIT_DEFAULT_MS, 90_000),
        (wire.STREAM_WAIT_DEFAULT_MS, 10_000),
        (wire.RUN_RETENTION_SECONDS, 30 * 60),
        (wire.RUN_SYNC_RETENTION_SECONDS, 60),
        (wire.EXECUTION_TIMEOUT_MIN_MS, 5_000),
        (wire.EXECUTION_TIMEOUT_MAX_MS, 7 * DAY_MS),
        (wire.EXECUTION_TIMEOUT_DEFAULT_MS, 10 * 60 * 1000),
        (wire.TTL_MIN_MS, 10_000),
        (wire.TTL_MAX_MS, 7 * DAY_MS),
        (wire.TTL_DEFAULT_MS, DAY_MS),
        (wire.BATCH_MAX_REQUESTS, 5_000),
        (wire.BATCH_MAX_ACTIVE, 10),
        (wire.BATCH_MAX_QUEUED, 50_000),
        (wire.SYNC_JOB_ID_PREFIX, "sync-"),
        (wire.GENERATOR_ERROR_PREFIX, "handler: "),
        (wire.GENERATOR_TRACEBACK_SEPARATOR, "\ntraceback: "),
        (wire.ENVELOPE_INPUT_KEY, "input"),
        (wire.ENVELOPE_KEYS, {"input", "webhook", "webhookV2", "policy", "s3Config"}),
        (wire.ERROR_MESSAGE_KEYS, ("error", "message", "detail", "title")),
    ],
)
def test_a_figure_is_the_documented_one(figure: object, documented: object) -> None:
    assert figure == documented


@pytest.mark.parametrize(
    "job_id",
    [
        "eaebd6e7-6a92-4bb8-a911-f996ac5ea99d",
        "sync-79164ff4-d212-44bc-9fe3-389e199a5c15",
        "c671a352-78e6-u1",
        "local_test",
    ],
)
def test_the_id_patterns_take_every_form_of_the_documents(job_id: str) -> None:
    assert re.fullmatch(wire.JOB_ID_PATTERN, job_id)
    assert re.fullmatch(wire.ENDPOINT_ID_PATTERN, job_id)


@pytest.mark.parametrize("job_id", ["", "a/b", "a b", "a?b", "ä", "..", "a\n"])
def test_the_id_patterns_refuse_what_would_change_a_path(job_id: str) -> None:
    assert not re.fullmatch(wire.JOB_ID_PATTERN, job_id)
    assert not re.fullmatch(wire.ENDPOINT_ID_PATTERN, job_id)


@pytest.mark.parametrize("error", ["job timed out after 1 retries", "job timed out after 12 retries"])
def test_the_platform_s_timeout_is_recognised(error: str) -> None:
    assert re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)


@pytest.mark.parametrize("error", ["my job timed out after 1 retries", "job timed out", "Invalid image URL"])
def test_a_handler_s_own_text_is_no_platform_timeout(error: str) -> None:
    assert not re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)
