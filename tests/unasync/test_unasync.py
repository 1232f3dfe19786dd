"""The sync API that scripts/unasync.py writes."""

import ast
import textwrap
from keyword import iskeyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.unasync import FOLDERS, ROOT, convert, header, main, problems

SOURCE = "runpod_typed/_async/thing.py"


def converted(body: str) -> str:
    """The body of a module after the conversion, without its header."""
    text = convert("# Written by hand.\n" + textwrap.dedent(body), SOURCE)
    first, _, rest = text.partition("\n")
    assert first == header(SOURCE)
    return rest


def refusals(text: str) -> list[tuple[int, str]]:
    return list(problems(text, convert(text, SOURCE)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("async def f(x): return await x.y()\n", "def f(x): return x.y()\n"),
        ("async def f(x):\n    async with x as y, y: pass\n", "def f(x):\n    with x as y, y: pass\n"),
        ("async def f(x):\n    async for y in x: pass\n", "def f(x):\n    for y in x: pass\n"),
        ("async def f(x): return [y async for y in x]\n", "def f(x): return [y for y in x]\n"),
        ("async def f(x):\n    return await (\n        x\n    )\n", "def f(x):\n    return (\n        x\n    )\n"),
        ("async def f(x): return f'{await x}'\n", "def f(x): return f'{x}'\n"),
    ],
)
def test_removes_keywords(before: str, after: str) -> None:
    assert converted(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AsyncClient", "Client"),
        ("_AsyncClient", "_Client"),
        ("_async_sleep", "_sleep"),
        ("AsyncGenerator[int]", "Generator[int]"),
        ("StopAsyncIteration", "StopIteration"),
        ("aclose", "close"),
        ("__aenter__", "__enter__"),
        ("__aexit__", "__exit__"),
        ("__aiter__", "__iter__"),
        ("__anext__", "__next__"),
        ("runpod_typed._async.job", "runpod_typed._sync.job"),
        ("pytest.mark.anyio", "pytest.mark.sync_half"),
        ("Asynchronous", "Asynchronous"),
        ("is_async", "is_async"),
        ("async_", "async_"),
        ("NonAsyncThing", "NonAsyncThing"),
        ("enclose", "enclose"),
    ],
)
@pytest.mark.parametrize("form", ["x = {}\n", "x = '{}'\n", 'x = f"{{{}}}"\n', "x = 1  # {}\n"])
def test_renames_in_code_strings_and_comments(form: str, before: str, after: str) -> None:
    assert converted(form.format(before)) == form.format(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("an AsyncClient", "a Client"),
        ("An `AsyncJob`", "A `Job`"),
        ("an ``AsyncEndpoint``", "an ``Endpoint``"),
        ("an async iterator", "an iterator"),
        ("an async job", "a job"),
        ("async with AsyncClient() as client:", "with Client() as client:"),
        ("print(await job.output())", "print(job.output())"),
        ("see runpod_typed/_async/job.py", "see runpod_typed/_sync/job.py"),
        ("asynchronously, with async/await", "asynchronously, with async/await"),
    ],
)
def test_docstrings_follow(before: str, after: str) -> None:
    assert converted(f'"""{before}"""\n') == f'"""{after}"""\n'


@pytest.mark.parametrize(
    ("body", "line", "reason"),
    [
        ("import asyncio\n", 2, "`asyncio`"),
        ("from anyio import sleep\n", 2, "`anyio`"),
        ("import anyio.abc\n", 2, "`anyio`"),
        ("\nasync def f(x): await x.gather()\n", 3, "`gather`"),
        ("async def f(x):\n    async with x.TaskGroup() as y: pass\n", 3, "`TaskGroup`"),
        ("async def f(x):\n    return (await\n        x)\n", 3, "after the conversion"),
        ("async def f(x): return -await x\n", 2, "`async` or `await` remains"),
        ("def f(:\n", 2, "invalid syntax"),
    ],
)
def test_refuses_what_has_no_sync_counterpart(body: str, line: int, reason: str) -> None:
    (found,) = refusals("# Written by hand.\n" + body)
    assert found[0] == line
    assert reason in found[1]


def test_refuses_module_without_leading_comment() -> None:
    assert refusals("import x\n") == [(1, "the first line must be a comment: the header replaces it")]


_names = st.from_regex(r"_?(Async[A-Z]|async_[a-z]|a)[a-z_]{0,6}", fullmatch=True).filter(
    lambda name: not iskeyword(name.removeprefix("async_"))  # `async_if` would become a keyword
)
_statements = st.one_of(
    st.builds("{} = await {}.aclose()".format, _names, _names),
    st.builds("raise StopAsyncIteration  # {} must await {}".format, _names, _names),
    st.builds("{} = [{} async for {} in {}]".format, _names, _names, _names, _names),
    st.builds('"""An async {} and\n\n    an {} with é, ☃ and \\n."""'.format, _names, _names),
    st.builds("{} = (\n        await {}(),\n        {},  # last\n    )".format, _names, _names, _names),
    st.builds("async with {} as {}:\n        pass".format, _names, _names),
    st.just('x = "\x0c \x1d \u2028"'),  # line ends to str.splitlines, not to Python
)
_modules = st.lists(_statements, min_size=1, max_size=8).map(
    lambda body: "# by hand\nasync def main():\n" + "".join(f"    {statement}\n" for statement in body)
)


@given(_modules)
def test_keeps_lines_and_leaves_nothing_async(text: str) -> None:
    once = convert(text, SOURCE)
    assert once.count("\n") == text.count("\n")
    assert refusals(text) == []
    assert convert(once, SOURCE) == once
    ast.parse(once)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository whose sync API is written."""
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runpod_typed/_async/job.py").write_text("# A job.\nclass AsyncJob: ...\n", encoding="utf-8")
    (tmp_path / "tests/_async/test_job.py").write_text("# A test.\n", encoding="utf-8")
    assert run(tmp_path) == 0
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    return main(["--root", str(root), *arguments])


def test_writes_both_folders(root: Path) -> None:
    assert (root / "runpod_typed/_sync/job.py").read_text("utf-8") == (
        "# Generated by `nox -s generate` from runpod_typed/_async/job.py; do not edit.\nclass Job: ...\n"
    )
    assert (root / "tests/_sync/test_job.py").exists()
    assert run(root, "--check") == 0


@pytest.mark.parametrize("change", [b"\nx = 1", b"# a comment\n", b"\r\n"])
def test_check_fails_on_edited_sync_file(root: Path, capsys: pytest.CaptureFixture[str], change: bytes) -> None:
    target = root / "runpod_typed/_sync/job.py"
    edited = target.read_bytes() + change
    target.write_bytes(edited)
    assert run(root, "--check") == 1
    assert target.read_bytes() == edited
    assert "runpod_typed/_sync/job.py: out of date: run `nox -s generate`" in capsys.readouterr().err
    assert run(root) == 0
    assert run(root, "--check") == 0


def test_removes_generated_orphan(root: Path) -> None:
    (root / "runpod_typed/_async/job.py").unlink()
    assert run(root, "--check") == 1
    assert run(root) == 0
    assert not (root / "runpod_typed/_sync/job.py").exists()


def test_keeps_handwritten_orphan_and_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stray = root / "runpod_typed/_sync/stray.py"
    stray.write_text("x = 1\n", encoding="utf-8")
    assert run(root) == 1
    assert stray.exists()
    assert "runpod_typed/_sync/stray.py: has neither a source nor our header" in capsys.readouterr().err


def test_one_refusal_leaves_the_tree_unchanged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "runpod_typed/_async/job.py").write_text("# A\nclass AsyncTask: ...\n", encoding="utf-8")
    (root / "runpod_typed/_async/other.py").write_text("# a\nimport asyncio\n", encoding="utf-8")
    assert run(root) == 1
    assert "class Job" in (root / "runpod_typed/_sync/job.py").read_text("utf-8")
    assert "runpod_typed/_async/other.py:2: " in capsys.readouterr().err


def test_repository_is_up_to_date() -> None:
    assert run(ROOT, "--check") == 0
