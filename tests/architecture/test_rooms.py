"""A newcomer finds each module of the decisions in the list that stands above them."""

import re

import runpod_typed._core
from tests.architecture.source import PACKAGE


def test_the_list_of_rooms_names_every_module_once() -> None:
    named = re.findall(r"`(\w+)`", runpod_typed._core.__doc__ or "")
    there = [path.stem for path in (PACKAGE / "_core").glob("*.py") if path.stem != "__init__"]
    assert sorted(named) == sorted(there)
