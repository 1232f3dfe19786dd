"""The public Python names of a package and their signatures, read from its source without importing it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import griffe
from attrs import evolve, frozen

PublicApi = Mapping[str, "Name"]
"""Every public name of a package by its dotted path below it: ``Job.wait``, ``models.Job.delay_time``."""

_MAKERS: Final = ("attrs.", "attr.")
"""How the decorators begin that write a class's `__init__` from its fields."""

_CALLED: Final = frozenset(
    {f"__{name}__" for name in ("call", "enter", "exit", "aenter", "aexit", "iter", "next", "aiter", "anext")}
    | {f"__{name}__" for name in ("bool", "contains", "delitem", "getitem", "len", "setitem")}
)
"""The special methods that people call, by an operator or a statement."""


@frozen
class Parameter:
    """A parameter of a function."""

    name: str
    kind: str
    """In Python's words: positional-only, positional or keyword, keyword-only, variadic positional or keyword."""
    annotation: str
    default: str | None

    def __str__(self) -> str:
        """As it stands in the source."""
        annotated = f"{self.name}: {self.annotation}" if self.annotation else self.name
        return annotated if self.default is None else f"{annotated} = {self.default}"


@frozen
class Signature:
    """One way of calling a function."""

    parameters: tuple[Parameter, ...]
    returns: str

    def __str__(self) -> str:
        """The parameters as they stand in the source, more or less."""
        return f"({', '.join(map(str, self.parameters))})"


@frozen
class Name:
    """What a public name stands for."""

    kind: str
    """A module, class, function, async function or attribute."""
    signatures: tuple[Signature, ...] = ()
    """Of a function: one, or its overloads."""
    annotation: str = ""
    """Of an attribute or a property."""
    bases: tuple[str, ...] = ()
    """Of a class."""
    needed: bool = False
    """Whether it is a field that has to be given where its class is made."""


def read(package: str, folder: Path) -> PublicApi:
    """The public names of a package in a folder; none where it is not there."""
    if not (folder / package / "__init__.py").is_file():
        return {}
    loader = griffe.GriffeLoader(search_paths=[folder], allow_inspection=False)
    root = loader.load(package, try_relative_path=False)
    loader.resolve_aliases(implicit=True, external=False)
    seen: set[str] = set()
    found: dict[str, Name] = {}
    waiting: list[tuple[str, griffe.Object | griffe.Alias]] = [("", root)]
    for prefix, module in waiting:  # grows as it goes: shorter paths come first
        for name, member in sorted(module.members.items()):
            target = _target(member)
            if target is None or not member.is_public or target.canonical_path in seen:
                continue
            path = f"{prefix}{name}"
            if target.is_module:
                if not _is_exported_from(module, target, name):
                    waiting.append((f"{path}.", target))
                    found[path] = Name("module")
                continue
            seen.add(target.canonical_path)
            found.update(_names(path, target))
    return found


def _target(member: griffe.Object | griffe.Alias) -> griffe.Object | None:
    """What a name stands for, wherever it was imported from; None where that is another package."""
    try:
        return member.final_target if isinstance(member, griffe.Alias) else member
    except griffe.AliasResolutionError:
        return None


def _is_exported_from(parent: griffe.Object | griffe.Alias, module: griffe.Object, name: str) -> bool:
    """Whether a module only holds what its package exports: then its own path is nobody's business."""
    exported = {str(each) for each in parent.exports or ()}
    return name not in exported and any(
        target is not None and target.path.startswith(f"{module.path}.")
        for target in (_target(parent.members[each]) for each in exported if each in parent.members)
    )


def _names(path: str, target: griffe.Object) -> Iterator[tuple[str, Name]]:
    match target:
        case griffe.Class():
            yield path, Name("class", bases=tuple(map(str, target.bases)))
            for name, member in sorted(target.all_members.items()):
                inner = _target(member)
                if inner is not None and _is_told(name, member, target):
                    for inner_path, found in _names(f"{path}.{name}", inner):
                        yield inner_path, evolve(found, needed=_is_made_of_fields(target) and _is_needed(inner))
        case griffe.Function():
            yield path, _function(target)
        case griffe.Attribute():
            yield path, Name("attribute", annotation=_text(target.annotation))
        case _:
            pass


def _is_told(name: str, member: griffe.Object | griffe.Alias, owner: griffe.Class) -> bool:
    """Whether a member of a class is public, and not told of already where a public base defines it."""
    if isinstance(member, griffe.Alias):  # inherited
        base = member.final_target.parent
        if base is None or not base.name.startswith("_"):
            return False
    if name == "__init__":
        return _is_made_by_people(owner)
    return name in _CALLED if name.startswith("_") else member.is_public


def _is_made_by_people(made: griffe.Class) -> bool:
    """Whether a class is one that people make instances of: then its docstring says what it takes."""
    return made.docstring is not None and "Args:" in made.docstring.value


def _is_made_of_fields(made: griffe.Class) -> bool:
    return _is_made_by_people(made) and any(str(each.callable_path).startswith(_MAKERS) for each in made.decorators)


def _function(function: griffe.Function) -> Name:
    kind = "async function" if "async" in function.labels else "function"
    ways = function.overloads or [function]
    return Name(kind, signatures=tuple(map(_signature, ways)))


def _signature(function: griffe.Function) -> Signature:
    skipped = {"self", "cls"} if function.parent is not None and function.parent.is_class else set[str]()
    parameters = tuple(
        Parameter(
            each.name,
            each.kind.value if each.kind else "",
            _text(each.annotation),
            None if each.default is None or _is_variadic(each) else str(each.default),
        )
        for each in function.parameters
        if each.name not in skipped
    )
    return Signature(parameters, _text(function.returns))


def _is_variadic(parameter: griffe.Parameter) -> bool:
    return parameter.kind in {griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword}


def _is_needed(member: griffe.Object) -> bool:
    """Whether a field has no default."""
    if not isinstance(member, griffe.Attribute) or member.annotation is None or "property" in member.labels:
        return False
    value = "" if member.value is None else str(member.value)
    if "ClassVar" in _text(member.annotation) or "init=False" in value:
        return False
    return not value or ("field(" in value and "default=" not in value and "factory=" not in value)


def _text(expression: str | griffe.Expr | None) -> str:
    return "" if expression is None else str(expression)
