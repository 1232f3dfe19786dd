"""The seam relies on two parts of each generated operation, and its types tie readers to operations."""

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from mypy import api as mypy

from runpod_typed._core import operations
from runpod_typed._core.operations import Operation
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


@pytest.mark.slow
def test_a_type_checker_refuses_a_reader_of_another_model(tmp_path: Path) -> None:
    program = tmp_path / "seam.py"
    program.write_text(
        "from runpod_queue_api.api.endpoint import get_health\n"
        "from runpod_typed._core.operations import _operation\n"
        "from runpod_typed._models.responses import read_job\n"
        "from runpod_typed._models.retry_policy import OperationKind\n"
        "_operation(get_health, OperationKind.READ, read_job)\n",
        encoding="utf-8",
    )
    told, _, code = mypy.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(program)])
    assert code == 1
    assert "seam.py:5: error" in told
