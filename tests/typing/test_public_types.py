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
from tests.typing.checkers import CHECKERS, Diagnostic, copy_as_project, disagreements, expected_of

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ACCEPTED = sorted((HERE / "accepted").glob("*.py"))
REFUSED = sorted((HERE / "refused").glob("*.py"))
FILES = [*ACCEPTED, *REFUSED]


@pytest.fixture(scope="session", params=CHECKERS)
def checker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed; `nox -s types` runs this test")
    return name


@pytest.fixture(scope="session")
def diagnostics(checker: str, tmp_path_factory: pytest.TempPathFactory) -> list[Diagnostic]:
    """Return the errors of the checker in all files, in one run."""
    project = tmp_path_factory.mktemp(checker)
    copy_as_project(FILES, project)
    return CHECKERS[checker](project)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_checker_refuses_the_marked_lines_and_no_others(
    checker: str, diagnostics: list[Diagnostic], file: Path
) -> None:
    expected = expected_of(checker, file.read_text(encoding="utf-8"))
    found = [one for one in diagnostics if one.file == file.name]

    disagree = disagreements(expected, found)

    assert not disagree, "\n".join([f"{checker} and {file.name} disagree:", *disagree])


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
