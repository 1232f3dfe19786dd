"""The effect of an edit of a public name or signature on those who import it, on small packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import griffe
import pytest

from scripts.api_changes import Part
from scripts.check_spec import ROOT
from scripts.python_changes import python_changes, read

HEAD = """\
from attrs import field, frozen
from typing import overload
from typing_extensions import deprecated
__all__ = ["Base", "Thing", "call", "limit"]
"""
CALL = "def call{}: ..."
THING = "class Thing:\n    {}"
FIELDS = "@frozen\nclass Thing:\n    x: int{}"


def reported(before: dict[str, str], after: dict[str, str], folder: Path) -> list[str]:
    for name, modules in (("old", before), ("new", after)):
        for module, code in {"__init__": "", **modules}.items():
            path = folder / name / "package" / f"{module}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
    changes = python_changes(read("package", folder / "old"), read("package", folder / "new"))
    return [f"{change.effect}: {change.subject} {change.text}" for change in Part.of("", changes).changes]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "before", "after", "expected"),
    [
        ("{}", "", "def call(x: int) -> str: ...", ["compatible: call is new: (x: int)"]),
        ("{}", "def call(): ...", "", ["breaking: call is gone"]),
        ("{}", "def _helper(): ...", "def _assistant(): ...", []),
        ("{}", "def call(): ...", "async def call(): ...", ["breaking: call is an async function now"]),
        ("{}", "def call(): ...", "@deprecated('')\ndef call(): ...", ["compatible: call is deprecated"]),
        # Parameters.
        (CALL, "(x)", "(x, y=1)", ["compatible: call takes `y = 1`, which is new"]),
        (CALL, "(x)", "(x, y: int)", ["breaking: call needs `y: int`, which is new"]),
        (CALL, "(x)", "(x, **rest)", ["compatible: call takes `rest`, which is new"]),
        (CALL, "(x, y=1)", "(x)", ["breaking: call takes no `y` any more"]),
        (CALL, "(x=1)", "(x)", ["breaking: call needs `x` now"]),
        (CALL, "(x=1)", "(x=2)", ["compatible: call takes `x` as 2 by default, was 1"]),
        (CALL, "(x)", "(*, x)", ["breaking: call takes `x` as keyword-only, was positional or keyword"]),
        (CALL, "(x)", "(x, /)", ["breaking: call takes `x` as positional-only, was positional or keyword"]),
        (CALL, "(*, x)", "(x)", []),
        (CALL, "(x, y)", "(y, x)", [f"breaking: call takes `{name}` at another position" for name in "xy"]),
        (CALL, "(x: int)", "(x: int | str)", ["compatible: call takes `x` as int | str, was int"]),
        (CALL, "(x: int | str)", "(x: int)", ["breaking: call takes `x` as int, was int | str"]),
        (CALL, "(x: int)", "(x: list[int | str])", ["breaking: call takes `x` as list[int | str], was int"]),
        # What comes back.
        (CALL, "() -> int | None", "() -> int", ["compatible: call returns int, was int | None"]),
        (CALL, "() -> int", "() -> int | None", ["breaking: call returns int | None, was int"]),
        (CALL, "() -> object", "() -> int", ["compatible: call returns int, was object"]),
        # Values.
        ("limit: {}", "int = 1", "int = 2", []),
        ("limit: {}", "int = 1", "float = 1", ["breaking: limit is float, was int"]),
        # Classes.
        ("class Thing{}: ...", "(ValueError)", "(TypeError)", ["breaking: Thing is not a ValueError any more"]),
        (
            THING,
            "def go(self): ...",
            "def leave(self): ...",
            ["breaking: Thing.go is gone", "compatible: Thing.leave is new: ()"],
        ),
        (THING, "def _go(self): ...", "def __repr__(self): ...", []),
        (THING, "def __enter__(self): ...", "...", ["breaking: Thing.__enter__ is gone"]),
        (
            THING,
            "@property\n    def size(self) -> int: ...",
            "@property\n    def size(self) -> int | None: ...",
            ["breaking: Thing.size is int | None, was int"],
        ),
        (
            THING,
            "@property\n    def size(self) -> int: ...",
            "def size(self) -> int: ...",
            ["breaking: Thing.size is now of kind function, was attribute"],
        ),
        # Constructors.
        (
            THING,
            "def __init__(self, x: int): ...",
            "def __init__(self, x: int, y: int): ...",
            ["breaking: Thing(...) needs `y: int`, which is new"],
        ),
        (
            "class _Inner: ...\nclass Thing:\n    def __init__(self, {}): ...",
            "x: _Inner",
            "x: _Inner, y: int",
            [],
        ),
        (FIELDS, "", "\n    z: int = 1", ["compatible: Thing.z is new: int"]),
        (
            FIELDS,
            "",
            "\n    y: str",
            ["breaking: Thing(...) needs `y: str`, which is new", "compatible: Thing.y is new: str"],
        ),
        (FIELDS, " = field(default=1)", " = field(repr=False)", ["breaking: Thing(...) needs `x` now"]),
        # Bases and overloads.
        (
            "class _Hidden: {}\nclass Thing(_Hidden): ...",
            "\n    def go(self): ...",
            "...",
            ["breaking: Thing.go is gone"],
        ),
        ("class Base: {}\nclass Thing(Base): ...", "\n    def go(self): ...", "...", ["breaking: Base.go is gone"]),
        (
            "@overload\ndef call(x: int) -> int: ...\n@overload\ndef call(x: {}) -> str: ...\ndef call(x): ...",
            "str",
            "bytes",
            ["breaking: call cannot be called any more as (x: str)", "compatible: call can be called as (x: bytes)"],
        ),
    ],
)
def test_reports_an_edit(form: str, before: str, after: str, expected: list[str], tmp_path: Path) -> None:
    old, new = HEAD + form.format(before), HEAD + form.format(after)
    assert reported({"__init__": old}, {"__init__": new}, tmp_path) == expected


def test_reports_a_module_as_a_whole(tmp_path: Path) -> None:
    modules = {"tools": "def saw(): ...\ndef drill(): ...\n"}
    assert reported({}, modules, tmp_path / "1") == ["compatible: tools is new (module)"]
    assert reported(modules, {}, tmp_path / "2") == ["breaking: tools is gone"]


def test_reports_the_same_change_of_several_functions_once(tmp_path: Path) -> None:
    old = {"tools": "def saw(x): ...\ndef drill(x): ...\ndef sand(y): ...\n"}
    new = {"tools": "def saw(): ...\ndef drill(): ...\ndef sand(): ...\n"}
    assert reported(old, new, tmp_path) == [
        "breaking: tools.drill and 1 more takes no `x` any more",
        "breaking: tools.sand takes no `y` any more",
    ]


@pytest.mark.parametrize("module", ["things", "_things"])
def test_knows_a_name_by_its_shortest_path(module: str, tmp_path: Path) -> None:
    old = {"__init__": f"from package.{module} import Thing\n__all__ = ['Thing']\n", module: "class Thing: ...\n"}
    assert reported(old, {}, tmp_path) == ["breaking: Thing is gone"]


def test_leaves_out_what_comes_from_another_package(tmp_path: Path) -> None:
    new = {"__init__": "from collections import OrderedDict\n__all__ = ['OrderedDict', 'X']\nX: int = 1\n"}
    assert reported({}, new, tmp_path) == ["compatible: X is new: int"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "folder", "expected"),
    [
        ("runpod_typed", ROOT, {"Job", "AsyncJob", "Endpoint", "JobState", "errors", "webhooks", "JobError"}),
        ("runpod_queue_api", ROOT / "generated", {"models", "api", "AuthenticatedClient", "wire"}),
    ],
)
def test_reads_the_packages_of_the_project(package: str, folder: Path, expected: set[str]) -> None:
    new = python_changes(griffe.Module(package), read(package, folder))
    assert expected <= {change.subject for change in new}
    assert {change.text for change in new if not change.text.startswith("is new")} == set()
    assert python_changes(read(package, folder), read(package, folder)) == []


def test_names_a_change_in_a_generated_model_once(tmp_path: Path) -> None:
    package = tmp_path / "runpod_queue_api"
    shutil.copytree(ROOT / "generated" / "runpod_queue_api", package)
    model = package / "models" / "job.py"
    model.write_text(model.read_text(encoding="utf-8").replace("    retries: int | Unset", "    tries: int | Unset"))

    changes = python_changes(read(package.name, ROOT / "generated"), read(package.name, tmp_path))

    assert [str(change) for change in changes] == [
        "breaking    models.Job.retries is gone",
        "compatible  models.Job.tries is new: int | Unset",
    ]


def test_takes_a_package_that_is_not_there_as_empty(tmp_path: Path) -> None:
    assert read("package", tmp_path).members == {}
