"""The seam relies on two parts of each generated operation; tests/typing/refused/seam.py holds its types."""

from importlib import import_module
from typing import Any, Final

import pytest

from runpod_typed._core import operations
from runpod_typed._core.requests import Operation
from scripts.spec_document import mapping, sequence
from tests.contract.described import OPERATIONS, SPEC

USED: Final[list[Operation[Any]]] = [value for value in vars(operations).values() if isinstance(value, Operation)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_generated_operation_builds_requests_and_reads_successes(name: str) -> None:
    tag = sequence(mapping(SPEC.find(OPERATIONS[name].pointer))["tags"])[0]
    package = import_module(f"runpod_queue_api.api.{tag}")
    module = getattr(package, name)
    assert name in package.__all__
    assert module.__name__ == f"{package.__name__}.{name}"
    assert callable(module._get_kwargs)
    assert callable(module._read_success)


def test_the_seam_is_looked_at() -> None:
    assert {operation.name for operation in USED} <= OPERATIONS.keys()
    assert len(USED) >= 3
