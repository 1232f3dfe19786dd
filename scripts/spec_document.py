"""The specification as plain JSON, with the line of every value in it."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from attrs import field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Pointer: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the top of a document to a value in it."""

BUDGETS: Final = "x-runpod-rate-limits"
BUDGET: Final = "x-runpod-rate-limit"
MAX_BYTES: Final = "x-runpod-max-bytes"
DEFAULT: Final = "x-runpod-default"
UNIT: Final = "x-runpod-unit"
CONSTANTS: Final = "x-runpod-constants"
"""Extensions of the specification, which says at its top what they mean."""

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


@frozen
class Problem:
    """A problem of the specification, and its place."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        """Return the form that editors can follow: ``file:line: reason``."""
        return f"{self.path.as_posix()}:{self.line}: {self.reason}"


class SpecError(Exception):
    """The specification cannot be used. The message has one line for each problem."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@frozen
class Operation:
    """An operation of the specification: a method of a path, or of a webhook."""

    name: str
    """Its operationId, or an empty string."""
    pointer: Pointer
    path: str
    method: str
    content: dict[str, Json] = field(eq=False, repr=False)

    @property
    def is_webhook(self) -> bool:
        """True if the service calls it, and not the client."""
        return self.pointer[0] == "webhooks"


@frozen
class SpecDocument:
    """A parsed specification that knows its lines."""

    path: Path
    content: dict[str, Json]
    _lines: Mapping[Pointer, int] = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, shown_as: Path | None = None) -> "SpecDocument":
        """Read a YAML file.

        Args:
            path: The file.
            shown_as: The name of the file in messages, if not its path.

        Raises:
            SpecError: The file is missing, is not valid YAML, or holds what JSON cannot.
        """
        shown = shown_as or path
        try:
            return _parsed(path.read_text(encoding="utf-8"), shown)
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(Problem(shown, 1, f"cannot be read: {error}")) from None

    def line(self, pointer: Pointer) -> int:
        """Return the line of a value, or of the closest value around it."""
        while pointer not in self._lines:
            pointer = pointer[:-1]
        return self._lines[pointer]

    def problem(self, pointer: Pointer, reason: str) -> Problem:
        """Return a problem with the value at this place."""
        return Problem(self.path, self.line(pointer), reason)

    def find(self, pointer: Pointer) -> Json:
        """Return the value at this place.

        Raises:
            SpecError: There is none.
        """
        value: Json = self.content
        for depth, key in enumerate(pointer):
            members = _members(value)
            if key not in members:
                raise SpecError(self.problem(pointer[:depth], f"{show(pointer)} is missing: no {key!r} here"))
            value = members[key]
        return value

    def follow(self, pointer: Pointer) -> Pointer:
        """Return the place that a reference at this place leads to, or the place itself."""
        reference = mapping(self.find(pointer)).get("$ref")
        target = parse_reference(reference) if isinstance(reference, str) else None
        return pointer if target is None else self.follow(target)

    def resolved(self, value: Json) -> dict[str, Json]:
        """Return the mapping that a reference leads to, or the mapping itself; empty if it is none."""
        target = parse_reference(str(mapping(value).get("$ref", "")))
        return mapping(value if target is None else self.find(target))

    def walk(self, start: Pointer = ()) -> Iterator[tuple[Pointer, Json]]:
        """Yield the value at a place and every value below it, in document order."""
        stack: list[tuple[Pointer, Json]] = [(start, self.find(start))]
        while stack:
            pointer, value = stack.pop()
            yield pointer, value
            stack.extend(((*pointer, key), inner) for key, inner in reversed(_members(value).items()))

    def operations(self) -> Iterator[Operation]:
        """Yield every operation, those of webhooks last."""
        for section in ("paths", "webhooks"):
            for path, item in mapping(self.content.get(section)).items():
                for method, value in mapping(item).items():
                    if method in METHODS:
                        content = mapping(value)
                        name = str(content.get("operationId") or "")
                        yield Operation(name, (section, path, method), path, method, content)

    def client_operations(self) -> Iterator[Operation]:
        """Yield every operation that a client calls."""
        return (found for found in self.operations() if not found.is_webhook)

    def body(self, operation: Operation) -> Pointer:
        """Return the place of an operation's body, its reference followed, or an empty one."""
        return self.follow((*operation.pointer, "requestBody")) if "requestBody" in operation.content else ()

    def parameters(self, operation: Operation) -> Iterator[Pointer]:
        """Yield the place of each parameter of an operation, those of its path first, references followed."""
        for around in (operation.pointer[:-1], operation.pointer):
            given = mapping(self.find(around)).get("parameters")
            yield from (self.follow((*around, "parameters", index)) for index in range(len(sequence(given))))


def mapping(value: Json) -> dict[str, Json]:
    """Return the value if it is a mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[Json]:
    """Return the value if it is a list, or an empty one."""
    return value if isinstance(value, list) else []


def show(pointer: Sequence[str | int]) -> str:
    """Return a place as references spell it: ``#/components/schemas/Job``."""
    return "#/" + "/".join(str(key).replace("~", "~0").replace("/", "~1") for key in pointer)


def parse_reference(reference: str) -> Pointer | None:
    """Return the place that a ``$ref`` names, or None if it is not in the document. Indexes stay strings."""
    if not reference.startswith("#/"):
        return None
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in reference[2:].split("/"))


@lru_cache(maxsize=8)  # to parse takes as long as all the rest, and a comparison needs each document several times
def _parsed(text: str, shown: Path) -> SpecDocument:
    try:
        tree: Any = cast("Any", YAML(typ="rt")).load(text)
    except MarkedYAMLError as error:
        told = cast("Any", error)
        mark = told.problem_mark or told.context_mark
        reason = re.sub(" with value .*", "", " ".join(str(told.problem or told.context).split()))
        raise SpecError(Problem(shown, mark.line + 1 if mark else 1, f"not valid YAML: {reason}")) from None
    except YAMLError as error:
        raise SpecError(Problem(shown, 1, f"not valid YAML: {error}")) from None
    lines: dict[Pointer, int] = {(): 1}
    content = _plain(tree, (), lines, shown)
    if not isinstance(content, dict):
        raise SpecError(Problem(shown, 1, "not an OpenAPI document: the top must be a mapping"))
    return SpecDocument(shown, content, lines)


def _members(value: Json) -> dict[str | int, Json]:
    entries: Iterable[tuple[str | int, Json]]
    entries = value.items() if isinstance(value, dict) else enumerate(sequence(value))
    return dict(entries)


def _plain(tree: Any, pointer: Pointer, lines: dict[Pointer, int], path: Path) -> Json:
    """Turn ruamel's tree, which has no types, into plain JSON, and note the line of each value."""
    if reason := _reason_against(tree):
        raise SpecError(Problem(path, lines[pointer], f"{show(pointer)} {reason}"))
    if isinstance(tree, CommentedSeq):
        values: list[Json] = []
        for index, value in enumerate(cast("list[Any]", tree)):
            lines[*pointer, index] = cast("Any", tree).lc.item(index)[0] + 1
            values.append(_plain(value, (*pointer, index), lines, path))
        return values
    if isinstance(tree, CommentedMap):
        entries: dict[str, Json] = {}
        places = cast("dict[Any, list[int]]", cast("Any", tree).lc.data or {})
        for key, value in cast("dict[Any, Any]", tree).items():
            line = places[key][0] + 1 if key in places else lines[pointer]  # `<<` brings keys without a place
            if not isinstance(key, str):
                reason = f"the key {key!r} in {show(pointer)} is not a string: put it in quotes"
                raise SpecError(Problem(path, line, reason))
            lines[*pointer, key] = line
            entries[str(key)] = _plain(value, (*pointer, str(key)), lines, path)
        return entries
    if tree is None or isinstance(tree, bool):
        return tree
    if isinstance(tree, str):
        return str(tree)
    return int(tree) if tree == int(tree) else float(tree)  # JSON has one kind of numbers


def _reason_against(tree: Any) -> str:
    """Say why a value is not JSON, or return an empty string."""
    if tag := getattr(getattr(tree, "tag", None), "value", None):
        return f"has the tag {tag!r}, which JSON has not: remove it"
    if isinstance(tree, str) and re.search("[\ud800-\udfff]", tree):
        return "has a surrogate, which is not Unicode"
    if isinstance(tree, float) and not math.isfinite(tree):
        return f"is {tree}, which is not JSON: write a number"
    if isinstance(tree, CommentedSeq | CommentedMap | str | int | float | None):
        return ""
    return f"is a {type(tree).__name__}, which is not JSON: put the value in quotes"
