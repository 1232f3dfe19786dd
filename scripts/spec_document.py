"""The specification as plain JSON, with the line of every value in it.

Checks and generation read `spec/openapi.yaml` through this module alone, so that whatever is wrong with it can be told
as `file:line: reason`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias, cast

from attrs import field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Pointer: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the top of a document to a value in it."""

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


@frozen
class Problem:
    """Something that is wrong with the specification, and where."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        """The form that editors and people can follow: ``file:line: reason``."""
        return f"{self.path.as_posix()}:{self.line}: {self.reason}"


class SpecError(Exception):
    """The specification cannot be used. The text is one line for each problem."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@frozen
class Operation:
    """One operation of the specification: a method of a path, or of a webhook."""

    name: str
    """Its operationId, empty where it has none."""
    pointer: Pointer
    path: str
    method: str

    @property
    def is_webhook(self) -> bool:
        """Whether the service calls it, and not the client."""
        return self.pointer[0] == "webhooks"


@frozen
class SpecDocument:
    """A parsed specification that knows its lines."""

    path: Path
    content: dict[str, Json]
    _lines: Mapping[Pointer, int] = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, shown_as: Path | None = None) -> "SpecDocument":
        """Reads a YAML file.

        Args:
            path: The file.
            shown_as: How messages name the file, if not by its path.

        Raises:
            SpecError: The file is not there, is no YAML, or holds what JSON cannot.
        """
        shown = shown_as or path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(Problem(shown, 1, f"cannot be read: {error}")) from None
        try:
            tree = cast("_Loader", YAML(typ="rt")).load(text)
        except MarkedYAMLError as error:
            told = cast("_MarkedError", error)
            mark = told.problem_mark or told.context_mark
            reason = " ".join(str(told.problem or told.context).split())
            raise SpecError(Problem(shown, mark.line + 1 if mark else 1, f"not valid YAML: {reason}")) from None
        except YAMLError as error:
            raise SpecError(Problem(shown, 1, f"not valid YAML: {error}")) from None
        lines: dict[Pointer, int] = {(): 1}
        content = _plain(tree, (), lines, shown)
        if not isinstance(content, dict):
            raise SpecError(Problem(shown, 1, "not an OpenAPI document: the top must be a mapping"))
        return cls(shown, content, lines)

    def line(self, pointer: Pointer) -> int:
        """The line of a value, or of the closest thing around it that exists."""
        while pointer not in self._lines:
            pointer = pointer[:-1]
        return self._lines[pointer]

    def problem(self, pointer: Pointer, reason: str) -> Problem:
        """A problem with the value at this place."""
        return Problem(self.path, self.line(pointer), reason)

    def find(self, pointer: Pointer) -> Json:
        """The value at this place.

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

    def walk(self, start: Pointer = ()) -> Iterator[tuple[Pointer, Json]]:
        """Every value below a place, itself first, in document order."""
        stack: list[tuple[Pointer, Json]] = [(start, self.find(start))]
        while stack:
            pointer, value = stack.pop()
            yield pointer, value
            stack.extend(((*pointer, key), inner) for key, inner in reversed(_members(value).items()))

    def operations(self) -> Iterator[Operation]:
        """Every operation, those of webhooks last."""
        for section in ("paths", "webhooks"):
            for path, item in mapping(self.content.get(section)).items():
                for method, value in mapping(item).items():
                    if method in METHODS:
                        name = mapping(value).get("operationId")
                        yield Operation(str(name or ""), (section, path, method), path, method)

    def operation(self, name: str) -> Operation:
        """The operation with this operationId.

        Raises:
            SpecError: There is none.
        """
        for operation in self.operations():
            if operation.name == name:
                return operation
        raise SpecError(self.problem(("paths",), f"no operation has the operationId {name!r}"))


def mapping(value: Json) -> dict[str, Json]:
    """The value, if it is a mapping; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[Json]:
    """The value, if it is a list; an empty one otherwise."""
    return value if isinstance(value, list) else []


def show(pointer: Sequence[str | int]) -> str:
    """A place in a document as people write it: ``#/components/schemas/Job``."""
    return "#/" + "/".join(str(key).replace("~", "~0").replace("/", "~1") for key in pointer)


def parse_reference(reference: str) -> Pointer | None:
    """The place that a ``$ref`` names, or None where it is not within the document.

    Indexes come back as text: references lead through mappings.
    """
    if not reference.startswith("#/"):
        return None
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in reference[2:].split("/"))


def _members(value: Json) -> dict[str | int, Json]:
    """What a value holds, by key or index; nothing, if it is no container."""
    entries: Iterable[tuple[str | int, Json]]
    entries = value.items() if isinstance(value, dict) else enumerate(sequence(value))
    return dict(entries)


class _Loader(Protocol):
    """What is used of ruamel's YAML, which has no types of its own; so are the three below."""

    def load(self, stream: str) -> object: ...


class _Mark(Protocol):
    line: int


class _MarkedError(Protocol):
    problem: str | None
    context: str | None
    problem_mark: _Mark | None
    context_mark: _Mark | None


class _Positions(Protocol):
    def key(self, key: object) -> tuple[int, int]: ...
    def item(self, index: int) -> tuple[int, int]: ...


def _plain(tree: object, pointer: Pointer, lines: dict[Pointer, int], path: Path) -> Json:
    """Turns ruamel's tree into plain JSON, and notes the line of each value."""
    if isinstance(tree, (CommentedMap, CommentedSeq)):
        positions = cast("_Positions", getattr(tree, "lc"))  # noqa: B009  (typed nowhere)
        if isinstance(tree, CommentedMap):
            entries = cast("dict[object, object]", tree)
            return _plain_mapping(entries, positions, pointer, lines, path)
        values: list[Json] = []
        for index, value in enumerate(cast("list[object]", tree)):
            lines[*pointer, index] = positions.item(index)[0] + 1
            values.append(_plain(value, (*pointer, index), lines, path))
        return values
    if tree is None or isinstance(tree, bool):
        return tree
    for scalar in (str, int, float):
        if isinstance(tree, scalar):
            return scalar(tree)
    reason = f"a {type(tree).__name__} at {show(pointer)} is not JSON: put the value in quotes"
    raise SpecError(Problem(path, lines[pointer], reason))


def _plain_mapping(
    tree: Mapping[object, object], positions: _Positions, pointer: Pointer, lines: dict[Pointer, int], path: Path
) -> dict[str, Json]:
    plain: dict[str, Json] = {}
    for key, value in tree.items():
        line = positions.key(key)[0] + 1
        if not isinstance(key, str):
            reason = f"the key {key!r} in {show(pointer)} is not a string: put it in quotes"
            raise SpecError(Problem(path, line, reason))
        lines[*pointer, key] = line
        plain[str(key)] = _plain(value, (*pointer, str(key)), lines, path)
    return plain
