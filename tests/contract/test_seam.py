"""The seam reads each answer by the model that the specification gives it.

The seam names an operation by its generated module and its model by hand: nothing but this holds the two together.
"""

from typing import Any, Final

import pytest

from runpod_typed._core import operations
from runpod_typed._core.operations import Operation
from scripts.spec_document import mapping, sequence
from tests.contract.described import SPEC

USED: Final[list[Operation[Any]]] = [value for value in vars(operations).values() if isinstance(value, Operation)]


def models_of_success(name: str) -> set[str]:
    """The names of the models that the answer 200 of an operation may be."""
    answer = mapping(SPEC.find((*SPEC.operation(name).pointer, "responses", "200")))
    schema = mapping(mapping(mapping(answer["content"])["application/json"])["schema"])
    alternatives = [schema, *map(mapping, sequence(schema.get("anyOf")))]
    return {str(each["$ref"]).rpartition("/")[2] for each in alternatives if "$ref" in each}


@pytest.mark.parametrize("operation", USED, ids=lambda operation: operation.name)
def test_an_answer_is_read_by_the_model_that_is_described(operation: Operation[Any]) -> None:
    assert operation.model.__name__ in models_of_success(operation.name)


def test_the_seam_is_looked_at() -> None:
    assert {"run", "get_status", "stream", "get_health"} <= {operation.name for operation in USED}
