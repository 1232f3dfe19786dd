"""Every public name, method, property and field has a docstring; ruff's D and DOC rules check what stands in it."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType

import attrs
import pytest

from runpod_typed import (
    AsyncBatches,
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    Batches,
    Client,
    Endpoint,
    Job,
)

MODULES = ("runpod_typed", "runpod_typed.errors", "runpod_typed.webhooks", "runpod_typed.local")


def documented() -> dict[str, str | None]:
    """The docstring of everything public, by its full name."""
    found: dict[str, str | None] = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing: object = getattr(module, name)
            if inspect.isclass(thing):
                found |= {f"{module_name}.{name}.{member}": doc for member, doc in members(thing)}
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found[f"{module_name}.{name}"] = thing.__doc__
    return found


def members(cls: type) -> Iterator[tuple[str, str | None]]:
    """The docstrings of the methods, properties and fields that a class defines itself."""
    for name, member in vars(cls).items():
        if not name.startswith("_") and isinstance(member, property | classmethod | staticmethod | FunctionType):
            yield name, member.__doc__
    if attrs.has(cls):
        described = field_docstrings(cls)
        own = [one.name for one in attrs.fields(cls) if not one.inherited and not one.name.startswith("_")]
        yield from ((name, described.get(name)) for name in own)


def field_docstrings(cls: type) -> dict[str, str]:
    """The string literals below the fields of a class."""
    described = dict[str, str]()
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    for node in ast.walk(tree):
        body = node.body if isinstance(node, ast.ClassDef) else []
        for field, below in itertools.pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    described[name] = text
                case _:
                    pass
    return described


DOCUMENTED = documented()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_public_name_has_docstring(name: str) -> None:
    assert DOCUMENTED[name]


CALLS = [
    f"{cls.__module__}.{cls.__qualname__}.{name}"
    for cls in (Client, Endpoint, Job, Batches, AsyncClient, AsyncEndpoint, AsyncJob, AsyncBatches)
    for name, member in vars(cls).items()
    if isinstance(member, FunctionType) and not name.startswith("_") and not name.endswith("close")
]


@pytest.mark.parametrize("call", CALLS)
def test_call_has_example_and_errors(call: str) -> None:
    documentation = DOCUMENTED[f"runpod_typed.{'.'.join(call.split('.')[-2:])}"] or ""
    assert "Example:" in documentation
    assert 1 <= len(re.findall(r"^            \w+Error: ", documentation.partition("Raises:")[2], re.MULTILINE)) <= 4


def test_covers_every_kind_of_public_name() -> None:
    assert DOCUMENTED.keys() >= {
        "runpod_typed.AsyncJob.stream_detailed",
        "runpod_typed.Client.endpoint",
        "runpod_typed.Job.state",
        "runpod_typed.RetryPolicy.budget",
        "runpod_typed.WaitTimeoutError",
        "runpod_typed.local.progress_update",
        "runpod_typed.webhooks.parse_webhook",
    }
