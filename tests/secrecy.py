"""Secrets that must show nowhere, and everything that a program, a log or an error collector could show of an error."""

from __future__ import annotations

import logging
import pickle
import traceback
from pathlib import Path
from typing import Final

from runpod_typed import S3Config

KEY: Final = "rpa_CANARYKEY0123456789"
ACCESS_ID: Final = "CANARYACCESSID"
ACCESS_SECRET: Final = "CANARYACCESSSECRET"
CANARIES: Final = (KEY, ACCESS_ID, ACCESS_SECRET)

_TESTS: Final = str(Path(__file__).parent)


def storage() -> S3Config:
    """A storage configuration with credentials."""
    return S3Config(
        access_id=ACCESS_ID, access_secret=ACCESS_SECRET, bucket_name="bucket", endpoint_url="https://s3.example"
    )


def assert_tells_no_secret(text: str) -> None:
    for canary in CANARIES:
        where = text.find(canary)
        assert where < 0, f"a secret shows in: {text[max(0, where - 300) : where + 100]}"


def chain(error: BaseException) -> list[BaseException]:
    """An error and all that stand behind it, those that a traceback suppresses among them."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or any(each is known for known in found):
            continue
        found.append(each)
        waiting += [each.__cause__, each.__context__]
    return found


def told_by(error: BaseException) -> str:
    """All that an error tells: texts, attributes, notes, and the locals of every frame but the tests' own."""
    told: list[str] = []
    for each in chain(error):
        told += [str(each), repr(each), repr(each.args), repr(vars(each)), repr(getattr(each, "__notes__", ""))]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if not frame.f_code.co_filename.startswith(_TESTS):
                told += [_shown(value) for value in frame.f_locals.values()]
    return "\n".join(told)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:  # of an object that is not made yet
        return ""


def assert_error_tells_no_secret(error: BaseException) -> None:
    assert_tells_no_secret(told_by(error))
    for each in chain(error):
        if type(each).__module__.startswith("runpod_typed"):
            assert_tells_no_secret(pickle.dumps(each).decode("latin-1"))


def assert_logs_tell_no_secret(records: list[logging.LogRecord]) -> None:
    for record in records:
        assert_tells_no_secret(f"{record.getMessage()} {record.msg!r} {record.args!r}")
        if record.exc_info and record.exc_info[1]:
            assert_tells_no_secret(told_by(record.exc_info[1]))
