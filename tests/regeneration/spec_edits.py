"""Changes of the specification's text, at places that are named by their keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from scripts.check_spec import ROOT, SPEC
from scripts.spec_document import Json, Pointer, SpecDocument

BASE: Final = SpecDocument.load(ROOT / SPEC, shown_as=SPEC)
Place: TypeAlias = Callable[[SpecDocument], Pointer]


def at(*keys: str | int) -> Place:
    """Name a place from the top."""
    return lambda _spec: keys


def component(kind: str, name: str, *keys: str | int) -> Place:
    """Name a place in a shared parameter, header, response or security scheme."""
    return at("components", kind, name, *keys)


def schema(name: str, *keys: str | int) -> Place:
    """Name a place in a schema."""
    return at("components", "schemas", name, *keys)


def prop(name: str, *keys: str | int) -> Place:
    """Name a place in a field of a schema: ``Job.id``."""
    owner, _, key = name.partition(".")
    return schema(owner, "properties", key, *keys)


def operation(name: str, *keys: str | int) -> Place:
    """Name a place in an operation, by its operationId."""
    return lambda spec: (*_pointer(spec, name), *keys)


def path_of(name: str) -> Place:
    """Name the path of an operation."""
    return lambda spec: _pointer(spec, name)[:2]


def _pointer(spec: SpecDocument, name: str) -> Pointer:
    return next(found.pointer for found in spec.operations() if found.name == name)


@frozen
class Put:
    """Gives a key a value; a new key becomes the first of its mapping."""

    place: Place
    value: Json


@frozen
class Drop:
    """Removes a key and its value."""

    place: Place


@frozen
class Rename:
    """Gives a key another name."""

    place: Place
    name: str


@frozen
class Everywhere:
    """Replaces a pattern in the whole file, for examples that follow a type."""

    pattern: str
    replacement: str


Change: TypeAlias = Put | Drop | Rename | Everywhere


def edited(changes: Sequence[Change], text: str) -> str:
    """Return the text of the specification with changes, which are all named by its places before them."""
    lines = text.splitlines(keepends=True)
    placed = [(each.place(BASE), each) for each in changes if not isinstance(each, Everywhere)]
    for pointer, each in sorted(placed, key=lambda pair: BASE.line(pair[0]), reverse=True):
        _apply(lines, pointer, each)
    text = "".join(lines)
    for change in changes:
        if isinstance(change, Everywhere):
            text, times = re.subn(change.pattern, change.replacement, text)
            assert times, f"{change.pattern} does not occur"
    return text


def _apply(lines: list[str], pointer: Pointer, change: Put | Drop | Rename) -> None:
    parent, key = pointer[:-1], str(pointer[-1])
    start = BASE.line(pointer) - 1
    found = re.match(rf"(\s*(?:- )*)['\"]?{re.escape(key)}['\"]?:", lines[start])
    if found is None:
        assert isinstance(change, Put), f"{pointer} does not begin a line"
        assert start == BASE.line(parent) - 1, f"{pointer} does not begin a line"
        indent = " " * (len(lines[start]) - len(lines[start].lstrip()) + 2) if parent else ""
        lines.insert(start + 1 if parent else 0, _entry(indent, key, change.value))
        return
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > len(found[1])):
        end += 1
    match change:
        case Put():
            lines[start:end] = [_entry(found[1], key, change.value)]
        case Drop():
            del lines[start:end]
        case Rename():
            lines[start] = lines[start].replace(key, change.name, 1)


def _entry(indent: str, key: str, value: Json) -> str:
    """Write a key and its value on one line: JSON is YAML."""
    return f"{indent}{json.dumps(key)}: {json.dumps(value)}\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
