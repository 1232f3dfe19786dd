"""Compare the public Python names of two versions of a package, read from source without importing it.

griffe finds names that are gone and parameters that changed; asked the other way round, what is new. Types, overloads
and bases are compared here: a return type may become narrower and a parameter's type wider, and any other change can
make a type checker refuse what it accepted before.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Final, TypeAlias, cast

import griffe
from griffe import BreakageKind, ParameterKind

from scripts.api_changes import Change

Found: TypeAlias = griffe.Object | griffe.Alias

_LOADED: Final[dict[bytes, griffe.Module]] = {}
"""The packages by their source."""
_ATTRS: Final = ("attr.", "attrs.")
_VARIADIC: Final = (ParameterKind.var_positional, ParameterKind.var_keyword)
_SPECIAL: Final = (
    *("__init__", "__call__", "__enter__", "__exit__", "__aenter__", "__aexit__", "__iter__", "__next__", "__aiter__"),
    *("__anext__", "__bool__", "__contains__", "__getitem__", "__setitem__", "__len__"),
)
"""The special methods that programs call through an operator or a statement."""

_FIELDS: Final[Mapping[BreakageKind, str]] = {
    BreakageKind.PARAMETER_ADDED_REQUIRED: "needs `{parameter}`, which is new",
    BreakageKind.PARAMETER_CHANGED_REQUIRED: "needs `{now.name}` now",
}
"""What is reported of a constructor that attrs writes; the rest is reported of its fields."""

_BREAKAGES: Final[Mapping[BreakageKind, str]] = {
    **_FIELDS,
    BreakageKind.OBJECT_REMOVED: "is gone",
    BreakageKind.OBJECT_CHANGED_KIND: "is now of kind {now.value}, was {was.value}",
    BreakageKind.PARAMETER_REMOVED: "takes no `{was.name}` any more",
    BreakageKind.PARAMETER_MOVED: "takes `{now.name}` at another position",
    BreakageKind.PARAMETER_CHANGED_KIND: "takes `{now.name}` as {now.kind.value}, was {was.kind.value}",
    BreakageKind.PARAMETER_CHANGED_DEFAULT: "takes `{now.name}` as {now.default} by default, was {was.default}",
}


class _AttrsConstructors(griffe.Extension):
    """Gives each attrs class the `__init__` that attrs writes for it."""

    def on_class_members(self, *, cls: griffe.Class, **_: object) -> None:
        """Add the method after the fields of a class are known."""
        if "__init__" not in cls.members and any(each.callable_path.startswith(_ATTRS) for each in cls.decorators):
            fields = griffe.Parameters(*filter(None, map(_parameter, cls.members.values())))
            cls.set_member("__init__", griffe.Function("__init__", parameters=fields))


def read(package: str, folder: Path) -> griffe.Module:
    """Load a package from a folder, or an empty one if the folder has none. The same source is loaded once."""
    if not (folder / package / "__init__.py").is_file():
        return griffe.Module(package)
    paths = sorted((folder / package).rglob("*.py"))
    source = sha256(b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in paths)).digest()
    if source not in _LOADED:
        _LOADED[source] = _load(package, folder)
    return _LOADED[source]


def _load(package: str, folder: Path) -> griffe.Module:
    extensions = griffe.load_extensions(_AttrsConstructors())
    loader = griffe.GriffeLoader(search_paths=[folder], allow_inspection=False, extensions=extensions)
    root = cast("griffe.Module", loader.load(package, try_relative_path=False))
    loader.resolve_aliases(implicit=True, external=False)
    return root


def python_changes(old: griffe.Module, new: griffe.Module) -> list[Change]:
    """Return every difference between two versions of a package that users can meet."""
    if old is new:
        return []
    changes = [*_gone(old, new), *_new(old, new), *_retyped(old, new, set())]
    return sorted(dict.fromkeys(changes), key=lambda change: change.subject)


def _gone(old: griffe.Module, new: griffe.Module) -> Iterator[Change]:
    for breakage in griffe.find_breaking_changes(old, new):
        path = _path(breakage.obj)
        text = (_FIELDS if _is_made_of_fields(breakage.obj) else _BREAKAGES).get(breakage.kind)
        if path and text:
            was, now = breakage.old_value, breakage.new_value
            text = text.format(was=was, now=now, parameter=_shown(now))
            breaks = breakage.kind is not BreakageKind.PARAMETER_CHANGED_DEFAULT
            yield Change(path, text, breaks=breaks, merge="`" in text)


def _new(old: griffe.Module, new: griffe.Module) -> Iterator[Change]:
    for breakage in griffe.find_breaking_changes(new, old):
        path, was = _path(breakage.obj), breakage.old_value
        if not path or _is_made_of_fields(breakage.obj):
            continue
        if breakage.kind is BreakageKind.OBJECT_REMOVED:
            yield Change(path, f"is new{_description(_target(breakage.obj))}", breaks=False)
        elif breakage.kind is BreakageKind.PARAMETER_REMOVED and (was.default is not None or was.kind in _VARIADIC):
            yield Change(path, f"takes `{_shown(was)}`, which is new", breaks=False, merge=True)


def _retyped(old: Found, new: Found, seen: set[str]) -> Iterator[Change]:
    """Compare the types of everything that both versions have."""
    others = new.all_members
    for name, member in old.all_members.items():
        was, now = _target(member), _target(others.get(name))
        if was is None or now is None or not member.is_public or was.path in seen:
            continue
        seen.add(was.path)
        if path := _path(member):
            yield from _compared(path, was, now)
            yield from _retyped(was, now, seen)


def _compared(path: str, was: griffe.Object, now: griffe.Object) -> Iterator[Change]:
    match was, now:
        case griffe.Class(), griffe.Class():
            bases = [_text(base) for base in now.bases]
            yield from (
                Change(path, f"is not a {base} any more", breaks=True) for base in was.bases if _text(base) not in bases
            )
        case griffe.Attribute(), griffe.Attribute():
            yield from _type(path, "is", was.annotation, now.annotation)
        case griffe.Function(), griffe.Function() if not _is_made_of_fields(now):
            if ("async" in was.labels) != ("async" in now.labels):
                yield Change(path, f"is {'an' if 'async' in now.labels else 'no'} async function now", breaks=True)
            yield from _signatures(path, was, now)
        case _:
            return
    if _is_deprecated(now) and not _is_deprecated(was):
        yield Change(path, "is deprecated", breaks=False)


def _signatures(path: str, was: griffe.Function, now: griffe.Function) -> Iterator[Change]:
    old, new = ([_call(each) for each in function.overloads or ()] for function in (was, now))
    if old or new:
        yield from (
            Change(path, f"cannot be called any more as {call}", breaks=True) for call in old if call not in new
        )
        yield from (Change(path, f"can be called as {call}", breaks=False) for call in new if call not in old)
        return
    yield from _type(path, "returns", was.returns, now.returns)
    after = {parameter.name: parameter.annotation for parameter in now.parameters}
    for parameter in was.parameters:
        if parameter.name in after:
            yield from _type(path, f"takes `{parameter.name}` as", parameter.annotation, after[parameter.name])


def _type(path: str, verb: str, old: str | griffe.Expr | None, new: str | griffe.Expr | None) -> Iterator[Change]:
    was, now = _text(old), _text(new)
    if was != now:
        narrower, wider = (old, new) if verb.startswith("takes") else (new, old)
        is_safe = _text(wider) in {"", "object"} or _members_of_union(narrower) <= _members_of_union(wider)
        yield Change(path, f"{verb} {now or 'any type'}, was {was or 'any type'}", breaks=not is_safe, merge=True)


def _members_of_union(annotation: str | griffe.Expr | None) -> set[str]:
    if isinstance(annotation, griffe.ExprBinOp) and annotation.operator == "|":
        return _members_of_union(annotation.left) | _members_of_union(annotation.right)
    return {_text(annotation)}


def _parameter(member: Found) -> griffe.Parameter | None:
    """Return the constructor's parameter for a field of an attrs class."""
    if not isinstance(member, griffe.Attribute) or member.annotation is None or "property" in member.labels:
        return None
    value = _text(member.value)
    if "ClassVar" in _text(member.annotation) or "init=False" in value:
        return None
    optional = "default=" in value or "factory=" in value or (value and "field(" not in value)
    name, kind = member.name.lstrip("_"), ParameterKind.keyword_only
    return griffe.Parameter(name, annotation=member.annotation, kind=kind, default="..." if optional else None)


def _target(member: Found | None) -> griffe.Object | None:
    """Follow an import; None if it leads to another package."""
    try:
        return member.final_target if isinstance(member, griffe.Alias) else member
    except griffe.AliasResolutionError:
        return None


def _path(found: Found) -> str:
    """Return the shortest name that leads to an object, or an empty string if users know none."""
    target = _target(found)
    if target is None or target.parent is None or (found.name.startswith("_") and found.name not in _SPECIAL):
        return ""
    owner: Found | None = target.parent
    if owner and owner.is_class:
        owner = found.parent if owner.name.startswith("_") else owner
        above = _path(owner) if owner else ""
        name = "(...)" if found.name == "__init__" else f".{found.name}"
        return f"{above}{name}" if above and not _is_internal(target) else ""
    modules = [*takewhile(lambda module: not module.startswith("_"), target.path.split(".")[1:-1])]
    while owner and (owner.name.startswith("_") or (owner.parent and target.name in (owner.parent.exports or ()))):
        modules = modules[: len(owner.path.split(".")) - 2]
        owner = owner.parent
    return "" if target.is_module and _is_reexported(target) else ".".join([*modules, target.name])


def _is_reexported(module: griffe.Object) -> bool:
    """Return True for a module whose names the package above exports: users do not name the module."""
    if module.parent is None or module.name in (module.parent.exports or ()):
        return False
    public = (
        member for member in module.parent.members.values() if isinstance(member, griffe.Alias) and member.is_public
    )
    return any(member.target_path.startswith(f"{module.path}.") for member in public)


def _is_internal(function: griffe.Object) -> bool:
    """Return True for a constructor that takes objects of private classes: only its package calls it."""
    if function.name != "__init__" or not isinstance(function, griffe.Function):
        return False
    annotations = (each.annotation for each in function.parameters if isinstance(each.annotation, griffe.Expr))
    names = (name for annotation in annotations for name in annotation.iterate() if isinstance(name, griffe.ExprName))
    root = function.package
    return any(
        each.canonical_path.startswith(f"{root.path}.") and each.name not in (root.exports or ()) for each in names
    )


def _is_made_of_fields(target: Found) -> bool:
    """Return True for a constructor that attrs writes."""
    return target.name == "__init__" and target.lineno is None


def _is_deprecated(target: griffe.Object) -> bool:
    decorators = target.decorators if isinstance(target, griffe.Class | griffe.Function) else ()
    return any(each.callable_path.endswith(".deprecated") for each in decorators)


def _description(target: griffe.Object | None) -> str:
    match target:
        case griffe.Function():
            calls = target.overloads or [target]
            return f": {_call(calls[0])}" if len(calls) == 1 else f", in {len(calls)} forms"
        case griffe.Attribute(annotation=annotation) if annotation is not None:
            return f": {_text(annotation)}"
        case griffe.Module():
            return " (module)"
        case _:
            return ""


def _call(function: griffe.Function) -> str:
    return f"({', '.join(_shown(each) for each in function.parameters if each.name not in {'self', 'cls'})})"


def _shown(parameter: object) -> str:
    """Return a parameter as it stands in the source."""
    if not isinstance(parameter, griffe.Parameter):
        return ""
    annotated = f"{parameter.name}: {_text(parameter.annotation)}" if parameter.annotation else parameter.name
    optional = parameter.default is not None and parameter.kind not in _VARIADIC
    return f"{annotated} = {parameter.default}" if optional else annotated


def _text(expression: str | griffe.Expr | None) -> str:
    return "" if expression is None else str(expression)
