"""What a function raises, as far as can be seen from its source."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

PACKAGE = "runpod_typed"


def raised_in(function: Any, owner: type | None = None) -> set[str]:
    """The names of the errors that a function raises, or what it calls of ours.

    Followed are plain functions, and private methods of the class that the function belongs to. A bare `raise` does not
    count, nor does what happens in the body of a `try`, since that may be caught.

    Args:
        function: Where to begin; what is no function written in Python raises nothing.
        owner: The class that it is a method of.
    """
    return {name for one in _called(function, owner, set()) for name in _raised(one)}


def is_error(name: str) -> bool:
    """Whether a name is that of an error of ours or of Python's."""
    thing: object = getattr(importlib.import_module(PACKAGE), name, getattr(builtins, name, None))
    return inspect.isclass(thing) and issubclass(thing, Exception)


def _raised(function: FunctionType) -> Iterator[str]:
    for node in _uncaught(function):
        if isinstance(node, ast.Raise):
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Name) and is_error(error.id):
                yield error.id


def _called(function: Any, owner: type | None, seen: set[FunctionType]) -> set[FunctionType]:
    """The function and all that it calls of this package, added to those that were seen before."""
    if not isinstance(function, FunctionType) or function in seen or (seen and not _is_ours(function)):
        return seen
    seen.add(function)
    for node in _uncaught(function):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                _called(function.__globals__.get(name), None, seen)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)) if name.startswith("_"):
                _called(vars(owner or object).get(name), owner, seen)
            case _:
                pass
    return seen


def _is_ours(function: FunctionType) -> bool:
    return function.__module__.startswith(PACKAGE)


def _uncaught(function: FunctionType) -> Iterator[ast.AST]:
    """The nodes of a function's source, but for those in the body of a `try`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:
        return  # made at run time, by attrs
    tried = [statement for node in ast.walk(tree) if isinstance(node, ast.Try) for statement in node.body]
    caught = {inside for statement in tried for inside in ast.walk(statement)}
    yield from (node for node in ast.walk(tree) if node not in caught)
