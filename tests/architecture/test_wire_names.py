"""The specification is the only place where the wire is described: the facade spells none of its names.

A name of the wire in the facade would be a second place to change, and one that no type checker can point at.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from scripts.spec_document import Json, SpecDocument, mapping
from tests.architecture.source import PACKAGE, modules, stands_in
from tests.architecture.source import literals as literals_of
from tests.contract.described import SPEC

OTHER_SIDE = "local/"  # the server spells the wire itself: a fake that shares its client's words proves nothing


def wire_names(spec: SpecDocument) -> frozenset[str]:
    """Every JSON key, query parameter and fixed path segment of the specification."""
    names: set[str] = set()
    for path in mapping(spec.content.get("paths")):
        names.update(segment for segment in path.split("/") if segment and "{" not in segment)
    for pointer, value in spec.walk():
        if pointer[-1:] == ("properties",) and pointer[-2:-1] != ("properties",):
            names.update(mapping(value))
        elif mapping(value).get("in") == "query":
            names.add(str(mapping(value).get("name")))
    return frozenset(names)


def is_distinctive(name: str) -> bool:
    """Return whether a name cannot be a plain word, such as `timeout`, which the facade may use for something else."""
    return re.fullmatch("[a-z]+", name) is None


def words(text: str) -> list[str]:
    """Split a string into possible names of the wire: the whole string, and the parts of a path or query."""
    parts = re.split(r"[/?&=]", text) if re.fullmatch(r"\S*[/?&]\S*", text) else []
    return list(dict.fromkeys([text, *parts]))


class Spelling(NamedTuple):
    """A place in the facade that spells a name of the wire."""

    path: str
    line: int
    word: str


def spellings(package: Path, names: frozenset[str]) -> list[Spelling]:
    """Every string in a package, the local queue aside, that is a name of the wire."""
    return [
        Spelling(module.path, literal.line, word)
        for module in modules(package)
        if not stands_in(module.path, OTHER_SIDE)
        for literal in literals_of(module)
        for word in words(literal.text)
        if word in names
    ]


@pytest.mark.slow
def test_no_string_in_the_facade_is_a_name_of_the_wire() -> None:
    names = frozenset(name for name in wire_names(SPEC) if is_distinctive(name))
    assert len(names) > 20
    found = spellings(PACKAGE, names)
    assert [
        f"{spelling.path}:{spelling.line}: {spelling.word!r} is a name of the wire: use the generated package"
        for spelling in found
    ] == []


def test_the_names_of_the_wire_are_found_in_the_specification() -> None:
    wait: Json = {"name": "wait", "in": "query", "schema": {"type": "integer"}}
    job_id: Json = {"name": "job_id", "in": "path", "schema": {"type": "string"}}
    delay: Json = {"properties": {"delayTime": {"type": "integer"}, "properties": {"type": "object"}}}
    content: dict[str, Json] = {
        "paths": {"/{endpoint_id}/status-sync/{job_id}": {"get": {"parameters": [wait, job_id]}}},
        "components": {"schemas": {"Job": delay}},
    }

    assert wire_names(SpecDocument(Path("spec/openapi.yaml"), content, {(): 1})) == {
        "status-sync",
        "wait",
        "delayTime",
        "properties",
    }
    assert "input" in wire_names(SPEC)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('x = "delayTime"', ["delayTime"]),
        ('x = data["delayTime"]', ["delayTime"]),
        ('x = {"delayTime": 1}', ["delayTime"]),
        ('match x:\n    case {"delayTime": y}: pass', ["delayTime"]),
        ('def f(x="delayTime"): ...', ["delayTime"]),
        ('x = f"{base}/status-sync/{job}"', ["status-sync"]),
        ('x = f"{y}delayTime"', ["delayTime"]),
        ('x = "/v2/ep/status-sync/job?wait=1000"', ["status-sync", "wait"]),
        ('"""delayTime"""', []),
        ('class C:\n    x: int\n    """delayTime"""', []),
        ('x = "the delayTime of a job"', []),
        ('x = "status-sync/run or so"', []),
        ('x = b"delayTime"', []),
        ("x = delayTime.delayTime", []),
        ('__all__ = ["delayTime"]', []),
        ('__all__ += ["delayTime"]', []),
        ('class C:\n    __slots__ = ("delayTime",)', []),
        ('x = cast("delayTime", y)', []),
        ('x = f"delayTime= is {y}"', []),
        ('x = "delayTime="', []),
        ("# delayTime", []),
    ],
)
def test_a_name_of_the_wire_is_found_wherever_it_is_a_string(tmp_path: Path, code: str, found: list[str]) -> None:
    (tmp_path / "_models").mkdir()
    (tmp_path / "_models" / "jobs.py").write_text(code, encoding="utf-8")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "_app.py").write_text('x = "delayTime"', encoding="utf-8")
    names = frozenset({"delayTime", "status-sync", "wait"})
    told = spellings(tmp_path, names)
    assert [spelling.word for spelling in told] == found
    assert {spelling.path for spelling in told} <= {"_models/jobs.py"}
