"""What has changed between the public Python names of two versions of a package.

A return type may become narrower and a parameter's type wider; any other change of a type can make a type checker
refuse what it took before, and counts as breaking.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import evolve

from scripts.api_changes import Change, Effect, breaking, compatible, judged
from scripts.python_api import Name, Parameter, PublicApi, Signature

_GONE: Final = "is gone"
_NEW: Final = "is new"
_CONSTRUCTOR: Final = ".__init__"
_BY_POSITION: Final = ("positional-only", "positional or keyword")
_BY_NAME: Final = ("keyword-only", "positional or keyword")
_REST: Final = ("variadic positional", "variadic keyword")


def python_changes(old: PublicApi, new: PublicApi) -> list[Change]:
    """Everything that is not as it was, by name; of what is gone or new as a whole, only the whole."""
    return _merged(list(_changes(old, new)), {path for path, name in {**old, **new}.items() if name.kind == "module"})


def _merged(changes: Sequence[Change], modules: AbstractSet[str]) -> list[Change]:
    """The changes, those that are the same for several functions of a module told once: generated ones are alike."""
    groups: dict[tuple[str, str, Effect], list[Change]] = {}
    for change in changes:
        module = change.subject.rpartition(".")[0]
        is_of_a_function = module in modules and change.text != _GONE and not change.text.startswith(_NEW)
        groups.setdefault((module if is_of_a_function else change.subject, change.text, change.effect), []).append(
            change
        )
    return list(map(_together, groups.values()))


def _together(same: Sequence[Change]) -> Change:
    if len(same) == 1:
        return same[0]
    module = same[0].subject.rpartition(".")[0]
    names = ", ".join(change.subject.rpartition(".")[2] for change in same)
    return evolve(same[0], subject=f"{module} ({names})")


def _changes(old: PublicApi, new: PublicApi) -> Iterator[Change]:
    for path in sorted({*old, *new}):
        parent = path.rpartition(".")[0]
        was, now = old.get(path), new.get(path)
        if was is None and now is not None and (parent in old or not parent):
            added = breaking if now.needed else compatible
            yield added(_shown(path), f"{_NEW}{_described(now)}{', and has to be given' if now.needed else ''}")
        elif now is None and was is not None and (parent in new or not parent):
            yield breaking(_shown(path), _GONE)
        elif was is not None and now is not None:
            yield from _name(_shown(path), was, now)


def _shown(path: str) -> str:
    """A constructor goes by the name of its class."""
    return f"{path.removesuffix(_CONSTRUCTOR)}(...)" if path.endswith(_CONSTRUCTOR) else path


def _described(name: Name) -> str:
    match name.signatures:
        case ():
            return f": {name.annotation}" if name.annotation else f" ({name.kind})" if name.kind == "module" else ""
        case (only,):
            return f": {only}"
        case several:
            return f", in {len(several)} forms"


def _name(path: str, was: Name, now: Name) -> Iterator[Change]:
    if was.kind != now.kind:
        yield breaking(path, f"is {_article(now.kind)} now, was {_article(was.kind)}")
        return
    for base in was.bases:
        if base not in now.bases:
            yield breaking(path, f"is no {base} any more")
    for base in now.bases:
        if base not in was.bases:
            yield compatible(path, f"is a {base} too")
    if was.annotation != now.annotation:
        text = f"is {now.annotation or 'of any type'}, was {was.annotation or 'of any type'}"
        yield judged(path, text, breaks=not _is_narrower(now.annotation, was.annotation))
    if now.needed and not was.needed:
        yield breaking(path, "has to be given now")
    yield from _signatures(path, was.signatures, now.signatures)


def _signatures(path: str, old: tuple[Signature, ...], new: tuple[Signature, ...]) -> Iterator[Change]:
    if len(old) == len(new) == 1:
        yield from _signature(path, old[0], new[0])
        return
    for signature in old:
        if signature not in new:
            yield breaking(path, f"cannot be called any more as {signature}")
    for signature in new:
        if signature not in old:
            yield compatible(path, f"can be called as {signature}")


def _signature(path: str, old: Signature, new: Signature) -> Iterator[Change]:
    after = {parameter.name: parameter for parameter in new.parameters}
    before = {parameter.name: parameter for parameter in old.parameters}
    for name, was in before.items():
        if name in after:
            yield from _parameter(path, was, after[name])
        else:
            yield breaking(path, f"takes no `{name}` any more")
    for name, now in after.items():
        if name not in before:
            needed = now.default is None and now.kind not in _REST
            yield judged(path, f"{'needs' if needed else 'takes'} `{now}`, which is new", breaks=needed)
    kept = [name for name in _positions(old) if name in _positions(new)]
    positions = _positions(new)
    if kept != positions[: len(kept)]:
        yield breaking(path, f"takes its arguments in another order: {', '.join(positions)}")
    if old.returns != new.returns:
        text = f"returns {new.returns or 'nothing declared'}, was {old.returns or 'nothing declared'}"
        yield judged(path, text, breaks=not _is_narrower(new.returns, old.returns))


def _positions(signature: Signature) -> list[str]:
    """The parameters that can be given by their position, in order."""
    return [parameter.name for parameter in signature.parameters if parameter.kind in _BY_POSITION]


def _parameter(path: str, was: Parameter, now: Parameter) -> Iterator[Change]:
    if was.default is not None and now.default is None and now.kind not in _REST:
        yield breaking(path, f"needs `{now.name}` now")
    elif was.default != now.default:
        text = f"takes `{now.name}` as {now.default} by default, was {was.default or 'required'}"
        yield compatible(path, text)
    if was.kind in _BY_NAME and now.kind not in _BY_NAME:
        yield breaking(path, f"takes `{now.name}` no more by name")
    if was.kind in _BY_POSITION and now.kind not in _BY_POSITION:
        yield breaking(path, f"takes `{now.name}` by name only")
    if was.annotation != now.annotation:
        text = f"takes `{now.name}` as {now.annotation or 'anything'}, was {was.annotation or 'anything'}"
        yield judged(path, text, breaks=not _is_narrower(was.annotation, now.annotation))


def _is_narrower(type_: str, than: str) -> bool:
    """Whether whatever is of a type is of another, as far as unions tell."""
    return than in {"", "object"} or _members(type_) <= _members(than)


def _members(annotation: str) -> frozenset[str]:
    """The alternatives of a union, brackets left whole."""
    members, depth, current = set[str](), 0, ""
    for character in annotation:
        depth += (character in "([{") - (character in ")]}")
        if character == "|" and depth == 0:
            members.add(current.strip())
            current = ""
        else:
            current += character
    return frozenset({*members, current.strip()})


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
