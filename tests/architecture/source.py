"""The package as source code: which modules there are, what each imports, and which strings it spells."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "runpod_typed"


class Module(NamedTuple):
    """A parsed module; ``path`` is relative to the package, with slashes."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its dotted name."""
        return ".".join(["runpod_typed", *self.path.removesuffix(".py").removesuffix("__init__").strip("/").split("/")])


class Import(NamedTuple):
    """One thing that a module imports, in full: ``from a.b import c`` imports ``a.b.c``."""

    target: str
    line: int
    for_types: bool
    """Whether it stands under ``if TYPE_CHECKING:``, and so does not happen at run time."""

    def reaches(self, name: str) -> bool:
        """Return whether it imports ``name`` or something in it."""
        return self.target == name or self.target.startswith(f"{name}.")


class Literal(NamedTuple):
    """A string in the code, or the fixed part of an f-string."""

    text: str
    line: int


def modules(package: Path = PACKAGE) -> list[Module]:
    """Every module of a package."""
    return [
        Module(path.relative_to(package).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(package.rglob("*.py"))
    ]


def stands_in(path: str, place: str) -> bool:
    """Return whether a module is the file ``place``, or in the folder ``place/``."""
    return path.startswith(place) if place.endswith("/") else path == place


def imports(module: Module) -> Iterator[Import]:
    """Everything that a module imports, wherever in it."""
    typing_lines = {
        inner.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node.lineno in typing_lines)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(f"{_origin(module, node)}.{alias.name}", node.lineno, node.lineno in typing_lines)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    """The full name of what ``from ... import`` imports from."""
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.endswith("__init__.py") else module.name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


_NAME_LISTS = frozenset({"__all__", "__match_args__", "__slots__"})


def literals(module: Module) -> Iterator[Literal]:
    """The strings of a module, f-strings' parts among them.

    Left out are docstrings, lists of Python names, and the types that `cast` and `TypeVar` are given as strings.
    """
    aside: set[ast.AST] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            aside.add(node.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id in _NAME_LISTS for target in targets) and node.value:
                aside.update(ast.walk(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"TypeVar", "cast"}:
            aside.update(node.args[:1])
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in aside:
            yield Literal(node.value, node.lineno)
