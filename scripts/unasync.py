"""Writes the sync half of the package, and of its tests, from the async half.

One half is written by hand, the other follows from it: ``runpod_typed/_async`` becomes ``runpod_typed/_sync``, and
``tests/_async`` becomes ``tests/_sync``. Tokens are replaced, nothing is parsed and printed again, so both halves have
the same lines: a traceback in one points at the line of the same number in the other.

What happens to a file:

- the first line, a comment, becomes a header that names the source;
- ``async`` and ``await`` go;
- names change as `NAMES` says, and otherwise by prefix: ``AsyncThing`` becomes ``Thing``, ``async_thing`` becomes
  ``thing``;
- docstrings and comments follow the same rules, word by word; other plain strings have their names changed alone.

What cannot be converted faithfully is refused, with file and line: see `convert`.

    python scripts/unasync.py            write the sync half
    python scripts/unasync.py --check    write nothing, fail when it is not what the async half says
"""

import argparse
import ast
import difflib
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent

FOLDERS: Final[Mapping[str, str]] = {
    "runpod_typed/_async": "runpod_typed/_sync",
    "tests/_async": "tests/_sync",
}
"""Source folder and target folder, relative to the root of the repository."""

NAMES: Final[Mapping[str, str]] = {
    "StopAsyncIteration": "StopIteration",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "_async": "_sync",
    "aclose": "close",
    "aiter_raw": "iter_raw",
    "aiter_stream": "iter_stream",
    "aread": "read",
    "handle_async_request": "handle_request",
    "mark.anyio": "mark.sync_half",
}
"""Names that the prefix rules do not cover. A dotted entry is for code alone. An unused one fails the check."""

FORBIDDEN: Final[Mapping[str, str]] = {
    "TaskGroup": "the sync half has no tasks",
    "anyio": "go through runpod_typed/_synchronization.py",
    "asyncio": "go through runpod_typed/_synchronization.py",
    "gather": "the sync half has no tasks",
    "trio": "go through runpod_typed/_synchronization.py",
    "wait_for": "deadlines are numbers; wait through runpod_typed/_synchronization.py",
}
"""Names with no counterpart in the sync half, and what to write instead."""

_PREFIXED = re.compile(r"(?P<private>_*)(?:Async(?=[A-Z])|async_(?=[A-Za-z]))(?P<rest>\w+)")
_WORD = re.compile(r"\\.|[A-Za-z_]\w*")  # an escape sequence is no part of the word behind it
_KEYWORD_IN_PROSE = re.compile(r"(?<![/\w])(?:async|await) +(?=\S)")
_ARTICLE_IN_PROSE = re.compile(r"\b(?P<a>[Aa])n(?P<gap> `{0,2})(?=(?:async |Async)(?P<next>[A-Za-z]))")
_STRING_PREFIX = re.compile(r"[A-Za-z]*(?=['\"])")
_KEYWORDS = frozenset({"async", "await"})

_Position = tuple[int, int]


class UnasyncError(Exception):
    """A source that cannot be converted; the message says where and why."""


class Conversion(NamedTuple):
    """The text of a sync file, and which entries of the table it took."""

    text: str
    used: frozenset[str]


class _Edit(NamedTuple):
    """A stretch of the source, from (row, column) to (row, column), and what stands there afterwards."""

    start: _Position
    end: _Position
    replacement: str


class Renaming:
    """What names become, by a table and by prefix; remembers which entries of the table were used."""

    def __init__(self, table: Mapping[str, str] = NAMES) -> None:
        self._table = table
        self.used: set[str] = set()

    def name(self, name: str, owner: str = "") -> str:
        """What an identifier is called in the sync half; ``owner`` is what stands before its dot, if anything does."""
        key = self.entry(name, owner)
        if key:
            self.used.add(key)
            return self._table[key].rpartition(".")[2]
        match = _PREFIXED.fullmatch(name)
        return match["private"] + match["rest"] if match else name

    def entry(self, name: str, owner: str = "") -> str | None:
        """The entry of the table that covers an identifier, if there is one."""
        return next((key for key in (f"{owner}.{name}", name) if key in self._table), None)

    def words(self, text: str) -> str:
        """``text`` with each of its words changed as an identifier would be."""
        return _WORD.sub(lambda match: self.name(match.group()), text)

    def prose(self, text: str) -> str:
        """A docstring or comment for the sync half: keywords dropped, names changed, "an AsyncJob" made "a Job"."""
        return self.words(_KEYWORD_IN_PROSE.sub("", _ARTICLE_IN_PROSE.sub(_article, text)))

    def changes(self, text: str) -> str | None:
        """The first word of ``text`` that has no place in the sync half as it is, or None."""
        words = (match.group() for match in _WORD.finditer(text))
        return next((word for word in words if word in _KEYWORDS or self.name(word) != word), None)


def header(source: str) -> str:
    """The first line of the file that is written from ``source`` (a path relative to the root, with slashes)."""
    return f"# Generated by `nox -s generate` from {source}; do not edit."


def convert(text: str, source: str, table: Mapping[str, str] = NAMES) -> Conversion:
    """The sync twin of a module.

    Args:
        text: The module, as written.
        source: Its path relative to the root, with slashes; for the header and for messages.
        table: The names that the prefix rules do not cover.

    Raises:
        UnasyncError: The source does not compile; its first line is no comment; a keyword or an async name stands in an
            f-string (one token or several, depending on the interpreter); a name is in `FORBIDDEN`; a keyword ends
            its line; two names that the source imports or defines in one scope would become one; what comes out does
            not compile.
    """
    tree = _parse(text, source)
    lines = io.StringIO(text).readlines()
    if not lines or not lines[0].startswith("#"):
        raise UnasyncError(f"{source}:1: the first line must be a comment, for the header to take its place")
    renaming = Renaming(table)
    edits = [_Edit((1, 0), (1, len(lines[0].rstrip("\n"))), header(source)), *_edits(text, source, renaming, tree)]
    converted = _apply(edits, lines)
    _refuse_collisions(tree, _parse(converted, f"{source} (once converted)"), source)
    return Conversion(converted, frozenset(renaming.used))


def convert_all(
    root: Path, folders: Mapping[str, str] = FOLDERS, table: Mapping[str, str] = NAMES
) -> tuple[dict[Path, str], list[str]]:
    """Every sync file under ``root`` as it should be, by path, and the entries of ``table`` that nothing used.

    Raises:
        UnasyncError: Sources cannot be converted (each is named), or there is none at all.
    """
    wanted: dict[Path, str] = {}
    used: set[str] = set()
    refusals: list[str] = []
    for source_folder, target_folder in folders.items():
        for path in _modules(root / source_folder):
            try:
                conversion = convert(_read(path), _name(root, path), table)
            except UnasyncError as error:
                refusals.append(str(error))
            else:
                wanted[root / target_folder / path.relative_to(root / source_folder)] = conversion.text
                used |= conversion.used
    if refusals:
        raise UnasyncError("\n".join(refusals))
    if not wanted:
        raise UnasyncError(f"nothing to convert: no module in {' or '.join(folders)}")
    return wanted, sorted(table.keys() - used)


def orphans(root: Path, wanted: Mapping[Path, str], folders: Mapping[str, str] = FOLDERS) -> list[Path]:
    """The modules in the sync folders that no source stands behind."""
    return [path for folder in folders.values() for path in _modules(root / folder) if path not in wanted]


def check(root: Path, wanted: Mapping[Path, str]) -> list[str]:
    """What on disk is not as it should be, in words."""
    complaints: list[str] = []
    for path, text in wanted.items():
        name = _name(root, path)
        if not path.exists():
            complaints.append(f"{name}: missing: run `nox -s generate`")
        elif (found := _read(path)) != text:
            difference = difflib.unified_diff(
                found.splitlines(), text.splitlines(), name, "as it should be", lineterm=""
            )
            complaints.append("\n".join([f"{name}: not up to date: run `nox -s generate`", *difference]))
    complaints += [f"{_name(root, path)}: has no source: run `nox -s generate`" for path in orphans(root, wanted)]
    return complaints


def write(root: Path, wanted: Mapping[Path, str]) -> list[str]:
    """Writes what has changed and removes what has lost its source.

    Returns:
        What it would not remove, in words: a file without our header was written by somebody.
    """
    for path, text in wanted.items():
        if not path.exists() or _read(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    complaints: list[str] = []
    for path in orphans(root, wanted):
        if _read(path).startswith(header("").partition(" from ")[0]):
            path.unlink()
        else:
            complaints.append(f"{_name(root, path)}: has neither source nor header: move or delete it")
    return complaints


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="unasync", description="Writes the sync half from the async half.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    root: Path = arguments.root.resolve()
    try:
        wanted, unused = convert_all(root)
    except UnasyncError as error:
        print(error, file=sys.stderr)
        return 1
    complaints = check(root, wanted) if arguments.check else write(root, wanted)
    idle = [f"scripts/unasync.py: no source uses {name!r}: take it out of NAMES" for name in unused]
    for complaint in complaints + idle:
        print(complaint, file=sys.stderr)
    # Somebody who is still writing may need the name in a minute; what is checked in must not have it.
    return 1 if complaints or (idle and arguments.check) else 0


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _read(path: Path) -> str:
    """The text of a file with its line ends as they are, so that a foreign one is a difference."""
    return path.read_bytes().decode("utf-8")


def _parse(text: str, source: str) -> ast.Module:
    try:
        # The compiler sees what the parser does not, such as a parameter given twice.
        compile(text, source, "exec", dont_inherit=True)
        return ast.parse(text)
    except SyntaxError as error:
        raise UnasyncError(f"{source}:{error.lineno}: {error.msg}") from error


def _edits(text: str, source: str, renaming: Renaming, tree: ast.Module) -> Iterator[_Edit]:
    """What changes below the first line."""
    docstrings = _docstrings(tree)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    formatted = 0  # how many f-strings we are in: from Python 3.12 on they are made of tokens
    for index, token in enumerate(tokens):
        kind = tokenize.tok_name[token.type]
        where = f"{source}:{token.start[0]}"
        if kind.endswith("STRING_START"):
            formatted += 1
        elif kind.endswith("STRING_END"):
            formatted -= 1
        elif formatted:
            _refuse_formatted(token.string, where, renaming)
        elif token.type == tokenize.STRING:
            yield from _string_edit(token, where, renaming, is_docstring=token.start in docstrings)
        elif token.type == tokenize.COMMENT and token.start[0] > 1:
            yield _Edit(token.start, token.end, renaming.prose(token.string))
        elif token.type == tokenize.NAME:
            yield _name_edit(tokens, index, where, renaming)


def _docstrings(tree: ast.Module) -> frozenset[_Position]:
    """Where a string is a statement of its own: the docstrings of modules, classes, functions and fields."""
    return frozenset(
        (node.lineno, node.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def _name_edit(tokens: Sequence[tokenize.TokenInfo], index: int, where: str, renaming: Renaming) -> _Edit:
    token, following = tokens[index], tokens[index + 1]
    if token.string in _KEYWORDS:
        if following.start[0] != token.start[0] or following.type in {tokenize.COMMENT, tokenize.NL}:
            raise UnasyncError(f"{where}: `{token.string}` must not end its line")
        return _Edit(token.start, following.start, "")
    owner = tokens[index - 2].string if index > 1 and tokens[index - 1].string == "." else ""
    if token.string in FORBIDDEN and not renaming.entry(token.string, owner):
        raise UnasyncError(f"{where}: `{token.string}` has no place here: {FORBIDDEN[token.string]}")
    return _Edit(token.start, token.end, renaming.name(token.string, owner))


def _string_edit(token: tokenize.TokenInfo, where: str, renaming: Renaming, *, is_docstring: bool) -> Iterator[_Edit]:
    match = _STRING_PREFIX.match(token.string)
    prefix = match.group().lower() if match else ""
    if "f" in prefix:  # before Python 3.12 an f-string is one token
        _refuse_formatted(token.string, where, renaming)
    elif "b" not in prefix:
        change = renaming.prose if is_docstring else renaming.words
        yield _Edit(token.start, _string_end(token), change(token.string))


def _string_end(token: tokenize.TokenInfo) -> _Position:
    """Where a string ends; some interpreters count bytes for ``token.end`` when it has several lines."""
    row, column = token.start
    before, _, last = token.string.rpartition("\n")
    return (row + token.string.count("\n"), len(last)) if before else (row, column + len(last))


def _refuse_formatted(text: str, where: str, renaming: Renaming) -> None:
    word = renaming.changes(text)
    if word:
        raise UnasyncError(f"{where}: `{word}` in an f-string: give it a name above, and use that")


def _article(match: re.Match[str]) -> str:
    """The article for what follows once its prefix is gone: "an" before a vowel, otherwise "a"."""
    return match["a"] + ("n" if match["next"] in "AEIOUaeiou" else "") + match["gap"]


def _apply(edits: Sequence[_Edit], lines: Sequence[str]) -> str:
    """The text of ``lines`` with the edits, which are in order and apart, made."""
    parts: list[str] = []
    row, column = 1, 0
    for edit in edits:
        parts.append(_between(lines, (row, column), edit.start))
        parts.append(edit.replacement)
        row, column = edit.end
    parts.append(_between(lines, (row, column), (len(lines), len(lines[-1]))))
    return "".join(parts)


def _between(lines: Sequence[str], start: _Position, end: _Position) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    return lines[start[0] - 1][start[1] :] + "".join(lines[start[0] : end[0] - 1]) + lines[end[0] - 1][: end[1]]


class _Binding(NamedTuple):
    """A name that an import or a definition gives a meaning to."""

    scope: int
    name: str
    line: int


def _bindings(tree: ast.Module) -> Iterator[_Binding]:
    """The names that are imported or defined, scope by scope, in an order that conversion does not change."""
    scopes: list[ast.AST] = [tree]
    for number, scope in enumerate(scopes):  # grows as it goes
        waiting = list(ast.iter_child_nodes(scope))
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (_Binding(number, alias.asname or alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield _Binding(number, node.name, node.lineno)
                scopes.append(node)
            elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting += ast.iter_child_nodes(node)


def _refuse_collisions(before: ast.Module, after: ast.Module, source: str) -> None:
    meanings: dict[tuple[int, str], str] = defaultdict(str)
    for old, new in zip(_bindings(before), _bindings(after), strict=True):
        known = meanings[new.scope, new.name]
        if known and known != old.name:
            raise UnasyncError(f"{source}:{old.line}: `{known}` and `{old.name}` would both be `{new.name}`")
        meanings[new.scope, new.name] = old.name


if __name__ == "__main__":
    sys.exit(main())
