"""What scripts/unasync.py makes of one module."""

import ast
import keyword
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.unasync import NAMES, Renaming, UnasyncError, convert, header

SOURCE = "runpod_typed/_async/thing.py"


def converted(body: str) -> str:
    """The body of a module once it is converted, without its header."""
    text = convert("# Written by hand.\n" + textwrap.dedent(body), SOURCE).text
    first, _, rest = text.partition("\n")
    assert first == header(SOURCE)
    return rest


def refusal(body: str) -> str:
    """Why a module is refused."""
    with pytest.raises(UnasyncError) as caught:
        convert("# Written by hand.\n" + textwrap.dedent(body), SOURCE)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("async def f() -> None: ...\n", "def f() -> None: ...\n"),
        ("async def f(x): return await x.y()\n", "def f(x): return x.y()\n"),
        ("async def f(x): return (await x).y\n", "def f(x): return (x).y\n"),
        ("async def f(x): return -await x ** 2\n", "def f(x): return -x ** 2\n"),
        ("async def f(x):\n    async with x as y, y: pass\n", "def f(x):\n    with x as y, y: pass\n"),
        ("async def f(x):\n    async for y in x: pass\n", "def f(x):\n    for y in x: pass\n"),
        ("async def f(x): return [y async for y in x]\n", "def f(x): return [y for y in x]\n"),
        ("async  def f(): pass\n", "def f(): pass\n"),
        ("async def f(x):\n    return await (\n        x\n    )\n", "def f(x):\n    return (\n        x\n    )\n"),
    ],
)
def test_the_keywords_go_and_the_rest_of_the_line_stays(before: str, after: str) -> None:
    assert converted(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AsyncClient", "Client"),
        ("_AsyncClient", "_Client"),
        ("async_sleep", "sleep"),
        ("_async_sleep", "_sleep"),
        ("AsyncIterator", "Iterator"),
        ("AsyncGenerator[int]", "Generator[int]"),
        ("StopAsyncIteration", "StopIteration"),
        ("aclose", "close"),
        ("__aenter__", "__enter__"),
        ("__aexit__", "__exit__"),
        ("__aiter__", "__iter__"),
        ("__anext__", "__next__"),
        ("runpod_typed._async.job", "runpod_typed._sync.job"),
        ("pytest.mark.anyio", "pytest.mark.sync_half"),
        ("httpx.AsyncClient", "httpx.Client"),
        # names that only look like it
        ("Asynchronous", "Asynchronous"),
        ("asynchronous", "asynchronous"),
        ("is_async", "is_async"),
        ("async_", "async_"),
        ("Async", "Async"),
        ("NonAsyncThing", "NonAsyncThing"),
        ("enclose", "enclose"),
    ],
)
def test_names_change_by_the_table_and_by_prefix(before: str, after: str) -> None:
    assert converted(f"x = {before}\n") == f"x = {after}\n"


def test_a_mark_is_renamed_in_its_place_so_that_the_lines_stay_equal() -> None:
    assert converted("import pytest\n\npytestmark = pytest.mark.anyio\n") == (
        "import pytest\n\npytestmark = pytest.mark.sync_half\n"
    )


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
        ("call `aclose`", "call `close`"),
        ("see runpod_typed/_async/job.py", "see runpod_typed/_sync/job.py"),
        ("answers asynchronously, whatever async/await says", "answers asynchronously, whatever async/await says"),
    ],
)
@pytest.mark.parametrize("form", ['"""{}"""\n', "x = 1  # {}\n", 'class C:\n    x: int\n    """{}"""\n'])
def test_docstrings_and_comments_follow(form: str, before: str, after: str) -> None:
    assert converted(form.format(before)) == form.format(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('__all__ = ["AsyncClient", "AsyncJob"]\n', '__all__ = ["Client", "Job"]\n'),
        ("x = cast('AsyncJob[Out]', y)\n", "x = cast('Job[Out]', y)\n"),
        (r'x = "\nAsyncJob"' + "\n", r'x = "\nJob"' + "\n"),
        ('x = r"use aclose()"\n', 'x = r"use close()"\n'),
        # words of an ordinary sentence are the author's: only names change
        ('x = "await your turn, async or not"\n', 'x = "await your turn, async or not"\n'),
        ('x = b"AsyncClient"\n', 'x = b"AsyncClient"\n'),
    ],
)
def test_plain_strings_have_their_names_changed_alone(before: str, after: str) -> None:
    assert converted(before) == after


@pytest.mark.parametrize(
    "body",
    [
        'async def f(x): return f"{await x}"\n',
        'x = f"{AsyncClient}"\n',
        'x = f"no AsyncClient here"\n',
        'x = F"{y!r} {aclose}"\n',
        'x = rf"{y:{async_width}}"\n',
        "x = f'''\n{AsyncClient}\n'''\n",
        "x = f'{y} {\"aclose\"}'\n",
        'x = ("plain"\n     f"{_async}")\n',
    ],
)
def test_an_f_string_with_a_name_to_change_is_refused_with_file_and_line(body: str) -> None:
    message = refusal(body)
    assert message.startswith(f"{SOURCE}:")
    assert int(message.split(":")[1]) in range(2, 2 + body.count("\n"))
    assert "f-string" in message


def test_an_f_string_without_such_a_name_is_left_alone() -> None:
    body = "x = f\"{y!r} of {z:>{width}} {{braces}} {'nested'}\"\n"
    assert converted(body) == body


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("from collections.abc import AsyncIterator, Iterator\n", 2, "`AsyncIterator` and `Iterator`"),
        ("from a import AsyncX\nfrom b import X\n", 3, "`AsyncX` and `X`"),
        ("import x as async_y\nimport z as y\n", 3, "`async_y` and `y`"),
        ("class C:\n    def close(self): ...\n    async def aclose(self): ...\n", 4, "`close` and `aclose`"),
        ("def f():\n    if 1:\n        def g(): ...\n    else:\n        def async_g(): ...\n", 6, "`g` and `async_g`"),
        ("try:\n    import g\nexcept ImportError:\n    import async_g\n", 5, "`g` and `async_g`"),
        ("def f(async_x, x): ...\n", 2, "duplicate argument"),
        ("import asyncio\n", 2, "`asyncio`"),
        ("import anyio\n", 2, "`anyio`"),
        ("x = anyio.sleep\n", 2, "`anyio`"),
        ("\nasync def f(x): await x.gather()\n", 3, "`gather`"),
        ("x: asyncio.TaskGroup\n", 2, "`asyncio`"),
        ("async def f(x):\n    return (await\n        x)\n", 3, "`await` must not end its line"),
        ("async def f(x):\n    return (await  # now\n        x)\n", 3, "`await` must not end its line"),
        ("async \\\ndef f(): ...\n", 2, "`async` must not end its line"),
        ("def f(x): return await x\n", 2, "await"),
        ("def f(:\n", 2, "invalid syntax"),
    ],
)
def test_what_has_no_faithful_twin_is_refused_with_file_and_line(body: str, line: int, words: str) -> None:
    message = refusal(body)
    assert message.startswith((f"{SOURCE}:{line}: ", f"{SOURCE} (once converted):{line}: "))
    assert words in message


def test_two_imports_of_the_same_name_are_no_collision() -> None:
    body = "if x:\n    from a import AsyncX\nelse:\n    from b import AsyncX\n"
    assert converted(body) == "if x:\n    from a import X\nelse:\n    from b import X\n"


def test_overloads_and_same_names_in_different_scopes_are_no_collision() -> None:
    body = """\
    @overload
    async def aclose(x: int) -> int: ...
    @overload
    async def aclose(x: str) -> str: ...
    class A:
        def close(self): ...
    class B:
        async def aclose(self): ...
    """
    assert "def close(self)" in converted(body)


@pytest.mark.parametrize("text", ["", "\n", '"""A docstring first."""\n', "import x\n"])
def test_the_first_line_must_be_a_comment(text: str) -> None:
    with pytest.raises(UnasyncError, match=r"_async/thing\.py:1: the first line must be a comment"):
        convert(text, SOURCE)


def test_the_header_takes_the_place_of_the_first_line() -> None:
    text = convert("# The job of the async half, AsyncJob.\nx = 1\n", SOURCE).text
    assert text == "# Generated by `nox -s generate` from runpod_typed/_async/thing.py; do not edit.\nx = 1\n"


def test_the_entries_of_the_table_that_were_used_are_known() -> None:
    conversion = convert("# x\nasync def aclose(): raise StopAsyncIteration\n", SOURCE)
    assert conversion.used == {"aclose", "StopAsyncIteration"}


def test_an_entry_with_a_dot_needs_its_owner() -> None:
    assert Renaming({"mark.anyio": "mark.other"}).name("anyio", "mark") == "other"
    assert Renaming({"mark.anyio": "mark.other"}).name("anyio", "fixture") == "anyio"


# Statements that a shell is made of; any number of them, in any order and depth, must come out line for line.
_names = st.from_regex(r"_?(Async[A-Z]|async_[a-z]|[a-z]|a)[a-z_]{0,6}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
_statements = st.one_of(
    st.builds("await {}({})".format, _names, _names),
    st.builds("{} = await {}.aclose()".format, _names, _names),
    st.builds("raise StopAsyncIteration  # {} must await {}".format, _names, _names),
    st.builds("{} = [{} async for {} in {}]".format, _names, _names, _names, _names),
    st.builds('"""An async {} and\n\n    an {} with é, ☃ and \\n."""'.format, _names, _names),
    st.builds('{} = \'é \\\\ {}\' + """\n{}\n"""'.format, _names, _names, _names),
    st.builds("{} = (\n        await {}(),\n        {},  # last\n    )".format, _names, _names, _names),
    st.builds("async with {} as {}:\n        pass".format, _names, _names),
    st.just("x = 1 \\\n        + 2"),
    st.just('x = "\x0c \x1d \u2028"'),  # ends of lines for str.splitlines, not for Python
)
_modules = st.lists(_statements, min_size=1, max_size=8).map(
    lambda body: "# by hand\nasync def main():\n" + "".join(f"    {statement}\n" for statement in body)
)


@given(_modules)
def test_line_for_line_whatever_the_source(text: str) -> None:
    result = convert(text, SOURCE).text
    assert result.count("\n") == text.count("\n")
    ast.parse(result)


@given(_modules)
def test_nothing_of_the_async_half_is_left(text: str) -> None:
    tree = ast.parse(convert(text, SOURCE).text)
    assert not any(
        isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncWith | ast.AsyncFor) for node in ast.walk(tree)
    )
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not {name for name in names if Renaming().name(name) != name} - {"async_", *NAMES.values()}


@given(_modules)
def test_converting_twice_changes_the_header_alone(text: str) -> None:
    once = convert(text, SOURCE).text
    twice = convert(once, SOURCE).text
    assert twice == once
