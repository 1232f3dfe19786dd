"""Type checkers accept right programs and refuse mistakes."""

import ast
import importlib.util
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest

import runpod_typed
import runpod_typed.local
import runpod_typed.webhooks
from runpod_typed import RunpodError
from tests.docs.snippets import snippets_in
from tests.typing.checkers import CHECKERS, copy_as_project, disagreements, expected_of

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ACCEPTED = sorted((HERE / "accepted").glob("*.py"))
REFUSED = sorted((HERE / "refused").glob("*.py"))
FILES = [*ACCEPTED, *REFUSED]


@pytest.mark.parametrize("checker", CHECKERS)
def test_checker_refuses_the_marked_lines_and_no_others(checker: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed; `nox -s types` runs this test")
    copy_as_project(FILES, tmp_path)
    if checker == "mypy":
        write_snippets(tmp_path)  # in the same run: most of its time is the package
    files = list(tmp_path.glob("*.py"))
    diagnostics = CHECKERS[checker](tmp_path)
    disagree = {
        file.name: disagreements(
            expected_of(checker, file.read_text(encoding="utf-8")),
            [one for one in diagnostics if one.file == file.name],
        )
        for file in files
    }

    assert {name: lines for name, lines in disagree.items() if lines} == {}


def write_snippets(folder: Path) -> None:
    """Write the snippets of the documents, each as a file."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for snippet in snippets_in(page, "python"):
            name = f"{page.stem.replace('-', '_')}_at_line_{snippet.line}.py"
            (folder / name).write_text(snippet.code, encoding="utf-8")


def test_a_file_stands_where_it_belongs() -> None:
    marked = {file for file in FILES if any(expected_of(name, file.read_text("utf-8")) for name in CHECKERS)}

    assert sorted(marked) == REFUSED
    assert len({file.name for file in FILES}) == len(FILES)


# Nothing public is left out of the files of `accepted/`.


def _names(*files: Path) -> set[str]:
    """The names, attributes and keyword arguments that programs spell."""

    def spelled(tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                    yield name
                case _:
                    pass

    return {name for file in files for name in spelled(ast.parse(file.read_text(encoding="utf-8")))}


def _members(*classes: type) -> set[str]:
    """Return the public members of classes; for errors, the keywords of their constructors too."""
    ours = [base for one in classes for base in one.__mro__ if base.__module__.startswith("runpod_typed")]
    members = {name for one in ours for name in (*vars(one), *one.__annotations__)}
    constructors = [one.__init__ for one in ours if issubclass(one, RunpodError) and "__init__" in vars(one)]
    keywords = {name for one in constructors for name in signature(one).parameters} - {"self"}
    return {name for name in members | keywords if not name.startswith("_")}


@pytest.mark.parametrize("module", [runpod_typed, runpod_typed.local, runpod_typed.webhooks, runpod_typed.errors])
def test_every_public_name_is_checked(module: ModuleType) -> None:
    assert set(module.__all__) - _names(*ACCEPTED) == set()


def test_every_method_and_property_is_checked_in_both_halves() -> None:
    sync_members = _members(runpod_typed.Client, runpod_typed.Endpoint, runpod_typed.Job)
    async_members = _members(runpod_typed.AsyncClient, runpod_typed.AsyncEndpoint, runpod_typed.AsyncJob)

    assert sync_members - _names(HERE / "accepted" / "sync_calls.py") == set()
    assert async_members - _names(HERE / "accepted" / "async_calls.py") == set()


def test_every_attribute_of_values_and_errors_is_checked() -> None:
    public = (getattr(runpod_typed, name) for name in runpod_typed.__all__)
    classes = [one for one in public if isinstance(one, type)]

    assert _members(*classes, runpod_typed.local.LocalQueue) - _names(*ACCEPTED) == set()
