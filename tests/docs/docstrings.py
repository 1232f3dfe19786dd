"""What the public docstrings leave unsaid: parameters, units, errors, and the source of what is told about the API.

`python -m tests.docs` prints how many public names there are, and what is missing.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Container, Iterator, Mapping
from types import FunctionType
from typing import Any, cast

import attrs
from attrs import field, frozen
from griffe import Docstring, DocstringSectionAttributes, DocstringSectionParameters, DocstringSectionRaises

from tests.docs.raised import is_error, raised_in

LOCAL = "runpod_typed.local"
MODULES = ("runpod_typed", "runpod_typed.errors", "runpod_typed.webhooks", LOCAL)

UNITS = {
    "seconds": re.compile(r"\bseconds?\b|\b0 to 1\b|\b[Ff]actor\b|\b[Ss]hare\b", re.IGNORECASE),
    "milliseconds": re.compile(r"\bmilliseconds\b", re.IGNORECASE),
    "bytes": re.compile(r"\bbytes\b", re.IGNORECASE),
}
"""What must stand in the text on a quantity. A float is seconds, but for the few that are a part of a whole."""

RANGE = re.compile(r"\babove 0\b|\b[01] or more\b|\b0 to\b|\b\d+ s to \d+|\bnot below\b")
"""What must stand in the text on a quantity that a caller passes."""


@frozen
class Public:
    """A public class, function, method or property.

    Attributes:
        name: Its full name, as people import it.
        thing: It itself; a property's getter.
        docstring: What it says.
        owner: The class that it belongs to.
    """

    name: str
    thing: Any
    docstring: str
    owner: type | None = None
    is_property: bool = False
    parameters: Mapping[str, str] = field(factory=dict[str, str])


def public() -> Iterator[Public]:
    """Everything public, each thing once, under the first name that it has."""
    seen: set[int] = set()
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing: Any = getattr(module, name)
            if id(thing) in seen or not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            seen.add(id(thing))
            yield describe(f"{module_name}.{name}", thing)
            if inspect.isclass(thing):
                yield from members(f"{module_name}.{name}", thing)


def describe(name: str, thing: Any, owner: type | None = None) -> Public:
    """A public thing as the checks look at it."""
    if isinstance(thing, property):
        getter = cast("Callable[..., object]", thing.fget)
        return Public(name, getter, inspect.getdoc(thing) or "", owner, is_property=True)
    plain: Any = getattr(thing, "__func__", thing)  # that of a class method
    return Public(name, plain, inspect.getdoc(plain) or "", owner, parameters=parameters_of(plain))


def members(name: str, owner: type) -> Iterator[Public]:
    """The public methods and properties that a class defines itself."""
    for member, thing in vars(owner).items():
        if not member.startswith("_") and isinstance(thing, property | classmethod | staticmethod | FunctionType):
            yield describe(f"{name}.{member}", thing, owner)


def parameters_of(thing: Any) -> dict[str, str]:
    """The parameters that a caller passes, with their annotations as text."""
    if inspect.isclass(thing):
        if issubclass(thing, BaseException):
            return attributes_of_an_error(thing)
        if issubclass(thing, enum.Enum) or getattr(thing, "_is_protocol", False):
            return {}
        if attrs.has(thing):
            return {one.alias or one.name: str(one.type) for one in attrs.fields(thing) if one.init}
        if "__init__" not in vars(thing) or made_by_endpoints(thing):
            return {}
        thing = vars(thing)["__init__"]
    given = inspect.signature(thing).parameters
    return {name: str(one.annotation) for name, one in given.items() if name not in {"self", "cls"}}


def attributes_of_an_error(error: type[BaseException]) -> dict[str, str]:
    """What an error holds, and its bases do not: the parameters of its own constructor."""
    if "__init__" not in vars(error):
        return {}
    told = {"self", "message"}
    for base in error.__mro__[1:]:
        told |= (
            set(inspect.signature(vars(base)["__init__"]).parameters)
            if isinstance(vars(base).get("__init__"), FunctionType)
            else set()
        )
    own = inspect.signature(vars(error)["__init__"]).parameters
    return {name: str(one.annotation) for name, one in own.items() if name not in told}


def made_by_endpoints(cls: type) -> bool:
    """Whether people never call the class themselves."""
    return cls.__name__ in {"Job", "AsyncJob"}


def complaints(one: Public) -> Iterator[str]:
    """What a docstring leaves unsaid."""
    if not one.docstring:
        yield "has no docstring"
        return
    first = one.docstring.partition("\n")[0]
    if not first.endswith((".", ":")) or len(first) < 10:
        yield f"its first line is no sentence: {first!r}"
    told, passed, raised = sections(one.docstring)
    if isinstance(one.thing, type) and is_set_up_by_callers(one.thing):
        passed = set(told)
    for name, annotation in one.parameters.items():
        yield from unclear(name, annotation, told, passed)
    yield from (f"does not say that it raises {error}" for error in sorted(raises(one) - set(raised)))
    yield from (f"says that it raises {error}, which is no error" for error in raised if not is_error(error))
    if (asks_the_api(one) or shows_the_api(one)) and "Source: " not in one.docstring:
        yield "does not give the source of what it says of the API"


def unclear(name: str, annotation: str, told: Mapping[str, str], passed: Container[str]) -> Iterator[str]:
    """What is left unsaid of a parameter."""
    unit = unit_of(name, annotation)
    if name not in told:
        yield f"says nothing of {name}"
    elif unit is not None and not UNITS[unit].search(told[name]):
        yield f"gives no unit for {name}: {told[name]!r}"
    elif unit is not None and name in passed and not RANGE.search(told[name]):
        yield f"gives no range for {name}: {told[name]!r}"


def sections(docstring: str) -> tuple[dict[str, str], set[str], dict[str, str]]:
    """What a docstring says of parameters and attributes, which of them a caller passes, and what it says of errors."""
    told: dict[str, str] = {}
    passed: set[str] = set()
    raised: dict[str, str] = {}
    for section in Docstring(docstring).parse("google", warnings=False):
        match section:
            case DocstringSectionParameters():
                told |= {item.name: " ".join(item.description.split()) for item in section.value}
                passed |= {item.name for item in section.value}
            case DocstringSectionAttributes():
                told |= {item.name: " ".join(item.description.split()) for item in section.value}
            case DocstringSectionRaises():
                raised |= {str(item.annotation): item.description for item in section.value}
            case _:
                pass
    return told, passed, raised


def unit_of(name: str, annotation: str) -> str | None:
    """The unit that must be told of a quantity; None where it is none."""
    if name.endswith("_ms"):
        return "milliseconds"
    if name.endswith("_bytes"):
        return "bytes"
    is_duration = re.search(r"\b(float|timedelta|Duration)\b", annotation) is not None
    return "seconds" if is_duration else None


def raises(one: Public) -> set[str]:
    """The errors that a docstring must name, as far as can be seen from the code without running it."""
    if isinstance(one.thing, type):
        cls = cast("type[object]", one.thing)
        if made_by_endpoints(cls) or not is_set_up_by_callers(cls):
            return set()
        if attrs.has(cls):
            return {"ValueError" if cls.__module__.startswith(LOCAL) else "ConfigurationError"}
        return raised_in(vars(cls).get("__init__"), cls) or {"ConfigurationError"}
    found = raised_in(one.thing, one.owner)
    if asks_the_api(one):
        found |= {"APIError", "ConfigurationError"}  # the latter: a limit out of range, a client that is closed
    return found


def is_set_up_by_callers(cls: type[object]) -> bool:
    """Whether people make instances, with values that may be out of range."""
    if issubclass(cls, BaseException | enum.Enum) or getattr(cls, "_is_protocol", False):
        return False
    if attrs.has(cls):
        return any(one.validator is not None or one.converter is not None for one in attrs.fields(cls))
    return "__init__" in vars(cls)


def asks_the_api(one: Public) -> bool:
    """Whether a method sends requests: those of jobs and endpoints that reach for an operation, a look or a wait."""
    if one.owner is None or one.is_property or one.owner.__module__.split(".")[1] not in {"_async", "_sync"}:
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(one.thing)))
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    asking = {"_call", "look", "wait", "change", "run_sync_state", "stream_detailed"}
    return bool(named & asking or called & {"AsyncChunks", "AsyncEvents", "Chunks", "Events"})


def shows_the_api(one: Public) -> bool:
    """Whether a class has fields of the API's own: it keeps the API's JSON, or can be written as such."""
    if not isinstance(one.thing, type) or not attrs.has(one.thing) or one.thing.__module__.startswith(LOCAL):
        return False
    return hasattr(one.thing, "to_dict") or "raw" in attrs.fields_dict(one.thing)
