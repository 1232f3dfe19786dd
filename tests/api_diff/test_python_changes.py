"""What a change of a public name or a signature is to those who import it, one small package after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import python_api
from scripts.check_spec import ROOT
from scripts.python_changes import python_changes

HEAD = """\
from attrs import field, frozen
from typing import overload
__all__ = ["Base", "Thing", "call", "limit"]
"""
MADE = "class Thing:\n    '''A thing.\n\n    Args:\n        x: An x.\n    '''\n"
"""A class that people make: its docstring says what it takes."""


def package(folder: Path, code: str, **modules: str) -> python_api.PublicApi:
    """The public names of a package whose `__init__` holds some code."""
    for name, text in {"__init__": code, **modules}.items():
        path = folder / "package" / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return python_api.read("package", folder)


def told(before: str, after: str, folder: Path) -> list[str]:
    """What is said of an edit of a module."""
    old, new = package(folder / "old", HEAD + before), package(folder / "new", HEAD + after)
    return [f"{change.effect}: {change.subject} {change.text}" for change in python_changes(old, new)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "def call(x: int) -> str: ...", ["compatible: call is new: (x: int)"]),
        ("def call(): ...", "", ["breaking: call is gone"]),
        ("def _helper(): ...", "def _assistant(): ...", []),
        ("def call(): ...", "async def call(): ...", ["breaking: call is an async function now, was a function"]),
        # Parameters.
        ("def call(x): ...", "def call(x, y=1): ...", ["compatible: call takes `y = 1`, which is new"]),
        ("def call(x): ...", "def call(x, y: int): ...", ["breaking: call needs `y: int`, which is new"]),
        (
            "def call(x): ...",
            "def call(x, *more, **rest): ...",
            [f"compatible: call takes `{name}`, which is new" for name in ("more", "rest")],
        ),
        ("def call(x, y=1): ...", "def call(x): ...", ["breaking: call takes no `y` any more"]),
        ("def call(x=1): ...", "def call(x): ...", ["breaking: call needs `x` now"]),
        ("def call(x): ...", "def call(x=1): ...", ["compatible: call takes `x` as 1 by default, was required"]),
        ("def call(x=1): ...", "def call(x=2): ...", ["compatible: call takes `x` as 2 by default, was 1"]),
        ("def call(x): ...", "def call(*, x): ...", ["breaking: call takes `x` by name only"]),
        ("def call(x): ...", "def call(x, /): ...", ["breaking: call takes `x` no more by name"]),
        ("def call(*, x): ...", "def call(x): ...", []),
        ("def call(x, y): ...", "def call(y, x): ...", ["breaking: call takes its arguments in another order: y, x"]),
        (
            "def call(x): ...",
            "def call(y=1, x=2): ...",
            [
                "compatible: call takes `x` as 2 by default, was required",
                "compatible: call takes `y = 1`, which is new",
                "breaking: call takes its arguments in another order: y, x",
            ],
        ),
        ("def call(x: int): ...", "def call(x: int | str): ...", ["compatible: call takes `x` as int | str, was int"]),
        ("def call(x: int | str): ...", "def call(x: int): ...", ["breaking: call takes `x` as int, was int | str"]),
        (
            "def call(x: int): ...",
            "def call(x: list[int | str]): ...",
            ["breaking: call takes `x` as list[int | str], was int"],
        ),
        (
            "def call(x: int | str): ...",
            "def call(x: str | int): ...",
            ["compatible: call takes `x` as str | int, was int | str"],
        ),
        # What comes back.
        ("def call() -> int | None: ...", "def call() -> int: ...", ["compatible: call returns int, was int | None"]),
        ("def call() -> int: ...", "def call() -> int | None: ...", ["breaking: call returns int | None, was int"]),
        ("def call() -> object: ...", "def call() -> int: ...", ["compatible: call returns int, was object"]),
        # Values.
        ("limit: int = 1", "limit: int = 2", []),
        ("limit: int = 1", "limit: float = 1", ["breaking: limit is float, was int"]),
        ("limit: int | None = 1", "limit: int = 1", ["compatible: limit is int, was int | None"]),
        # Classes.
        (
            "class Base: ...\nclass Thing(Base): ...",
            "class Base: ...\nclass Thing: ...",
            ["breaking: Thing is no Base any more"],
        ),
        ("class Thing: ...", "class Thing(ValueError): ...", ["compatible: Thing is a ValueError too"]),
        (
            "class Thing:\n    def go(self): ...",
            "class Thing:\n    def leave(self): ...",
            ["breaking: Thing.go is gone", "compatible: Thing.leave is new: ()"],
        ),
        ("class Thing:\n    def _go(self): ...\n    def __repr__(self): ...", "class Thing: ...", []),
        ("class Thing:\n    def __enter__(self): ...", "class Thing: ...", ["breaking: Thing.__enter__ is gone"]),
        (
            "class Thing:\n    @property\n    def size(self) -> int: ...",
            "class Thing:\n    @property\n    def size(self) -> int | None: ...",
            ["breaking: Thing.size is int | None, was int"],
        ),
        (
            "class Thing:\n    @property\n    def size(self) -> int: ...",
            "class Thing:\n    def size(self) -> int: ...",
            ["breaking: Thing.size is a function now, was an attribute"],
        ),
        # Classes that people make.
        (
            f"{MADE}    def __init__(self, x: int) -> None: ...",
            f"{MADE}    def __init__(self, x: int, y: int) -> None: ...",
            ["breaking: Thing(...) needs `y: int`, which is new"],
        ),
        (
            "class Thing:\n    def __init__(self, x: int) -> None: ...",
            "class Thing:\n    def __init__(self, x: int, y: int) -> None: ...",
            [],
        ),
        (
            f"@frozen\n{MADE}    x: int",
            f"@frozen\n{MADE}    x: int\n    y: int\n    z: int = 1",
            ["breaking: Thing.y is new: int, and has to be given", "compatible: Thing.z is new: int"],
        ),
        (
            f"@frozen\n{MADE}    x: int = field(default=1)",
            f"@frozen\n{MADE}    x: int = field(repr=False)",
            ["breaking: Thing.x has to be given now"],
        ),
        (
            "@frozen\nclass Thing:\n    x: int",
            "@frozen\nclass Thing:\n    x: int\n    y: int",
            ["compatible: Thing.y is new: int"],
        ),
        # A base of nobody's business.
        (
            "class _Hidden:\n    def go(self): ...\nclass Thing(_Hidden): ...",
            "class _Hidden: ...\nclass Thing(_Hidden): ...",
            ["breaking: Thing.go is gone"],
        ),
        # Overloads.
        (
            "@overload\ndef call(x: int) -> int: ...\n@overload\ndef call(x: str) -> str: ...\ndef call(x): ...",
            "@overload\ndef call(x: int) -> int: ...\n@overload\ndef call(x: bytes) -> str: ...\ndef call(x): ...",
            ["breaking: call cannot be called any more as (x: str)", "compatible: call can be called as (x: bytes)"],
        ),
    ],
)
def test_an_edit_is_told_in_words(before: str, after: str, expected: list[str], tmp_path: Path) -> None:
    assert told(before, after, tmp_path) == expected


def test_what_is_told_of_an_inherited_name_is_told_once_where_the_base_is_public(tmp_path: Path) -> None:
    before = "class Base:\n    def go(self): ...\nclass Thing(Base): ..."
    after = "class Base: ...\nclass Thing(Base): ..."

    assert told(before, after, tmp_path) == ["breaking: Base.go is gone"]


def test_of_a_module_that_comes_or_goes_only_the_module_is_told(tmp_path: Path) -> None:
    old = package(tmp_path / "old", "")
    new = package(tmp_path / "new", "", tools="def saw(): ...\ndef drill(): ...\n")

    assert [str(change) for change in python_changes(old, new)] == ["compatible  tools is new (module)"]
    assert [str(change) for change in python_changes(new, old)] == ["breaking    tools is gone"]


def test_what_is_the_same_for_functions_of_a_module_is_told_once(tmp_path: Path) -> None:
    old = package(tmp_path / "old", "", tools="def saw(x): ...\ndef drill(x): ...\ndef sand(y): ...\n")
    new = package(tmp_path / "new", "", tools="def saw(): ...\ndef drill(): ...\ndef sand(): ...\n")

    assert [str(change) for change in python_changes(old, new)] == [
        "breaking    tools (drill, saw) takes no `x` any more",
        "breaking    tools.sand takes no `y` any more",
    ]


def test_a_name_is_known_by_the_shortest_path_that_leads_to_it(tmp_path: Path) -> None:
    exported = "from package.things import Thing\n__all__ = ['Thing']\n"
    hidden = "from package._things import Thing\n__all__ = ['Thing']\n"
    thing = "class Thing:\n    def go(self): ...\n"

    assert package(tmp_path / "one", exported, things=thing).keys() == {"Thing", "Thing.go"}
    assert package(tmp_path / "two", hidden, _things=thing).keys() == {"Thing", "Thing.go"}


def test_what_comes_from_another_package_is_not_ours(tmp_path: Path) -> None:
    assert package(
        tmp_path, "from collections import OrderedDict\n__all__ = ['OrderedDict', 'X']\nX: int = 1\n"
    ).keys() == {"X"}


def test_a_package_that_is_not_there_has_no_names(tmp_path: Path) -> None:
    assert python_api.read("package", tmp_path) == {}


@pytest.mark.parametrize(("name", "folder"), [("runpod_typed", ROOT), ("runpod_queue_api", ROOT / "generated")])
def test_the_packages_of_the_project_are_read_and_do_not_differ_from_themselves(name: str, folder: Path) -> None:
    api = python_api.read(name, folder)

    assert python_changes(api, api) == []
    expected = {
        "runpod_typed": {
            "Job.wait",
            "AsyncJob.wait",
            "Endpoint.run",
            "JobState.delay_time_ms",
            "webhooks.parse_webhook",
        },
        "runpod_queue_api": {"models.Job.status", "api.jobs.run.sync", "AuthenticatedClient", "wire.SERVER_URL"},
    }
    assert expected[name] <= api.keys()
    assert not [
        path for path in api if any(part.startswith("_") and not part.endswith("__") for part in path.split("."))
    ]
