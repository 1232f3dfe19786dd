"""`samples.csv` names every sample of the five documents, and the test that is its counterpart."""

from __future__ import annotations

import ast
import csv
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).resolve().parent


class Sample(NamedTuple):
    seed: str
    section: str
    language: str
    module: str
    test: str

    def __str__(self) -> str:
        return f"{self.seed} {self.section} {self.language}"


with (HERE / "samples.csv").open(encoding="utf-8", newline="") as _file:
    SAMPLES = [Sample(**row) for row in csv.DictReader(_file)]


def source_of(name: str) -> str:
    return (HERE / f"{name}.py").read_text(encoding="utf-8")


@cache
def functions_in(name: str) -> dict[str, str]:
    """The test functions of a module, and the source of each."""
    source = source_of(name)
    return {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_lists_every_python_sample() -> None:
    # Counted in the documents. Seed 000's one block of "Python" holds JavaScript; seed 002's is a worker's handler.
    count = Counter(sample.seed for sample in SAMPLES if sample.language == "python")
    assert count == {"000": 1, "001": 11, "002": 1, "003": 7}


def test_lists_every_other_sample() -> None:
    count = Counter((sample.seed, sample.language) for sample in SAMPLES if sample.language != "python")
    assert count == {
        ("000", "javascript"): 9,
        ("002", "javascript"): 12,
        ("003", "curl"): 8,
        ("003", "go"): 6,
        ("003", "javascript"): 7,
        ("004", "curl"): 2,
    }


def test_lists_no_sample_twice() -> None:
    assert len({sample[:3] for sample in SAMPLES}) == len(SAMPLES)


def test_every_python_sample_has_its_own_test() -> None:
    tests = [(sample.module, sample.test) for sample in SAMPLES if sample.language == "python"]
    assert len(set(tests)) == len(tests)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_sample_names_its_test(sample: Sample) -> None:
    source = functions_in(sample.module)[sample.test]
    section, *part = sample.section.split(", ")
    place = section if section.startswith("/") else f'"{section}"'
    assert f"# Seed {sample.seed}, {', '.join([place, *part])}" in source


def test_every_seed_has_one_module() -> None:
    modules = {(sample.seed, sample.module) for sample in SAMPLES}
    assert len(modules) == 5
    assert all(source_of(module).startswith(f'"""Seed {seed}') for seed, module in modules)
