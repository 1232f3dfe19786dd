"""Compares two specifications, for those who call the service through the code that is generated from them.

Each specification becomes a table of nodes: operations, parameters, bodies, responses, headers, schemas, fields, by the
name that a report gives them. What is sent may accept more than before; what is received may promise more.
Descriptions and examples are not compared.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Flag, auto
from typing import Final, TypeAlias

from attrs import field, frozen
from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from scripts.api_changes import Change
from scripts.spec_document import Json, Operation, SpecDocument, mapping, parse_reference, sequence


class Way(Flag):
    """The directions in which a value travels."""

    SENT = auto()
    RECEIVED = auto()


Object: TypeAlias = dict[str, Json]
Refuses: TypeAlias = Callable[[Json, Json], bool]

_NOWHERE: Final = Way(0)
_TYPED_FORMATS: Final = frozenset({"date", "date-time", "binary", "uuid"})
"""The formats that decide on a Python type."""
_RATE_LIMITS: Final = "x-runpod-rate-limits"
_CONSTANTS: Final = "x-runpod-constants"
"""Names in the generated code, which are compared there."""
_OPTIONAL: Final = re.compile(r"^The |: the response [^2][^,]*$")
"""The names of what can be removed without breaking callers."""
_RESULT: Final = re.compile(r": the response 2..$")
_RESPONSE: Final = re.compile(r": the response \S+$")
_NUMBERED: Final = re.compile(r": the response \S+$| as \S+$")
"""The names of responses and of bodies by media type: one is never another one renamed."""


@frozen
class Node:
    """Something that a specification describes."""

    parent: str
    form: str
    """Its type, route or address, in words."""
    keywords: Object = field(factory=dict[str, Json])
    way: Way = _NOWHERE
    required: bool | None = None
    """None if it cannot be left out or required."""


# Rules


def _raised(was: Json, now: Json) -> bool:
    return isinstance(now, int | float) and not (isinstance(was, int | float) and now <= was)


def _lowered(was: Json, now: Json) -> bool:
    return isinstance(now, int | float) and not (isinstance(was, int | float) and now >= was)


def _narrowed(was: Json, now: Json) -> bool:
    """Search for a string that the old pattern accepts and the new one refuses."""
    if now is None or was is None:
        return now is not None
    try:
        re.compile(str(was))
        re.compile(str(now))
    except re.error:  # it is not a pattern: `nox -s generate` refuses it
        return True
    thorough = settings(max_examples=400, derandomize=True, database=None)
    accepted = st.from_regex(str(was)).filter(lambda text: not text.endswith("\n"))
    try:
        find(accepted, lambda text: re.search(str(now), text) is None, settings=thorough)
    except NoSuchExample:
        return False
    return True


def _withdrawn(was: Json, now: Json) -> bool:
    """Return True if an old way is not offered any more."""
    return (
        now != [] and "none" not in sequence(now) and any(each not in sequence(now) for each in sequence(was) or [None])
    )


_SENT: Final[Mapping[str, tuple[str, Refuses]]] = {
    "minimum": ("minimum", _raised),
    "exclusiveMinimum": ("minimum (not included)", _raised),
    "minItems": ("minimum of items", _raised),
    "minLength": ("minimum of characters", _raised),
    "maximum": ("maximum", _lowered),
    "exclusiveMaximum": ("maximum (not included)", _lowered),
    "maxItems": ("maximum of items", _lowered),
    "maxLength": ("maximum of characters", _lowered),
    "x-runpod-max-bytes": ("limit in bytes", _lowered),
    "pattern": ("pattern", _narrowed),
    "format": ("format", lambda _was, now: now is not None),
}
"""Keywords that bound what is sent, in words, and when a new value refuses what the old one accepted."""

_ALWAYS: Final[Mapping[str, tuple[str, Refuses]]] = {
    "x-runpod-retention-seconds": ("retention in seconds", _lowered),
    "x-runpod-max-active-batches": ("maximum of active batches", _lowered),
    "x-runpod-max-queued-requests": ("maximum of queued requests", _lowered),
    "security": ("authentication", _withdrawn),
    "tags": ("tag", _withdrawn),
    "x-runpod-unit": ("unit", lambda was, _now: was is not None),
}
"""The same for keywords that bind callers wherever they stand."""


def spec_changes(old: SpecDocument, new: SpecDocument) -> list[Change]:
    """Return every difference that users can meet."""
    before, after = _nodes(old), _nodes(new)
    renamed = _renamed(before, after)
    settled = set[str]()  # what is below these is not compared
    changes: list[Change] = []
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        parent = (now or was or Node("", "")).parent
        if parent in settled:
            settled.add(name)
        elif was and now:
            changes += _compared(name, was, now)
            if was.form != now.form and was.way | now.way:
                settled.add(name)
        else:
            settled.add(name)
            if was:
                other = renamed.get(name, "").removeprefix(was.parent).lstrip(".:, ")
                text = f"is called {other} now" if other else "is gone"
                breaks = not _OPTIONAL.search(name) and _range(name) not in after
                changes.append(Change(name, text, breaks=breaks, merge=":" in name))
            elif now and name not in renamed.values():
                changes.append(_new(name, now, before))
    return changes


def _renamed(before: Mapping[str, Node], after: Mapping[str, Node]) -> dict[str, str]:
    """Find what has another name now: one is gone, one like it is new, and no other is like them."""
    gone, new = _by_likeness(before, after), _by_likeness(after, before)
    pairs = ((gone[like], new[like]) for like in gone if like in new)
    return {names[0]: others[0] for names, others in pairs if len(names) == len(others) == 1}


def _unnamed(route: str) -> str:
    """Return a route without the names of its parameters."""
    return re.sub(r"\{.*?\}", "{}", route)


def _is_another(was: str, now: str) -> bool:
    """Return True for another form; parameters of a route may have other names, but not another order."""
    names = [sorted(re.findall(r"\{\w+\}", each)) for each in (was, now)]
    return _unnamed(was) != _unnamed(now) or (was != now and names[0] == names[1])


def _by_likeness(nodes: Mapping[str, Node], others: Mapping[str, Node]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, node in nodes.items():
        if name not in others and node.parent and node.form and not _NUMBERED.search(name):
            found.setdefault((node.parent, _unnamed(node.form)), []).append(name)
    return found


def _new(name: str, node: Node, before: Mapping[str, Node]) -> Change:
    need = {None: "", True: ", required", False: ", optional"}[node.required]
    form = _content_form(name, node)
    breaks = bool(node.required) and Way.SENT in node.way
    if _RESULT.search(name):
        siblings = [each for each in before.items() if each[1].parent == node.parent and _RESULT.search(each[0])]
        results = [_content_form(*each) for each in siblings]
        breaks = bool(results) and form not in results  # what is returned may be something else
    return Change(name, f"is new{f': {form}' if form else ''}{need}", breaks=breaks, merge=":" in name)


def _content_form(name: str, node: Node) -> str:
    """Return the form of what a body or a response carries."""
    content = [_form(mapping(mapping(each).get("schema"))) for each in mapping(node.keywords.get("content")).values()]
    return " or ".join(dict.fromkeys(content)) or ("no body" if _RESPONSE.search(name) else node.form)


def _range(response: str) -> str:
    """Return the name of the range of statuses that a response belongs to."""
    return re.sub(r"(: the response \d)\d\d$", r"\1XX", response)


def _compared(name: str, was: Node, now: Node) -> Iterator[Change]:
    way = was.way | now.way
    if now.required and not was.required:
        text = "is required now" if Way.SENT in way else "is always there now"
        yield Change(name, text, breaks=Way.SENT in way, merge=True)
    elif was.required and not now.required:
        received = Way.RECEIVED in way
        yield Change(name, "may be absent now" if received else "is optional now", breaks=received, merge=True)
    if _is_another(was.form, now.form):
        forms, others = _members_of(was.form), _members_of(now.form)
        free, sure = Way.RECEIVED not in way and forms < others, Way.SENT not in way and others < forms
        breaks = bool(way) and not (free or sure)
        yield Change(name, f"is {now.form}, was {was.form}", breaks=breaks, merge=True)
    else:
        yield from _keywords(name, was.keywords, now.keywords, way)


def _members_of(form: str) -> set[str]:
    members = set(form.split(" or "))
    return members | {"integer"} if "number" in members else members


def _keywords(name: str, before: Object, after: Object, way: Way) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        is_data = key.startswith("x-runpod-") and key != _CONSTANTS
        if was == now or not (is_data or key in _SENT or key in _ALWAYS):
            continue
        words = key.removeprefix("x-runpod-").replace("-", " ")
        words, refuses = _ALWAYS.get(key) or _SENT.get(key) or (words, _lowered)
        breaks = (key in _ALWAYS or (key in _SENT and Way.SENT in way)) and refuses(was, now)
        text = f"has no {words} now" if now is None else f"has {words} {_shown(now)}"
        yield Change(name, f"{text}, was {_shown(was)}", breaks=breaks, merge=True)
    if bool(before.get("deprecated")) != bool(after.get("deprecated")):
        text = "is deprecated" if after.get("deprecated") else "is not deprecated any more"
        yield Change(name, text, breaks=False, merge=True)


# Nodes


_WAYS: Final = {"parameters": Way.SENT, "requestBody": Way.SENT, "responses": Way.RECEIVED}


def _nodes(spec: SpecDocument) -> Mapping[str, Node]:
    """Return everything that is compared, each below its parent."""
    table = _Table(spec)
    for operation in spec.operations():
        table.add_operation(operation)
    for name, schema in table.schemas.items():
        table.add(name, schema, "", _NOWHERE)
    extensions = {key: value for key, value in spec.content.items() if key.startswith("x-") and key != _RATE_LIMITS}
    table.nodes["The specification"] = Node("", "", extensions)
    for tag in map(mapping, sequence(spec.content.get("tags"))):
        table.nodes[f"The tag {tag.get('name')}"] = Node("", "", tag)
    for name, limit in mapping(spec.content.get(_RATE_LIMITS)).items():
        pace = ", ".join(f"{value} {key}" for key, value in mapping(limit).items())
        table.nodes[f"The rate limit {name}"] = Node("", pace)
    urls = [str(mapping(server).get("url")) for server in sequence(spec.content.get("servers"))]
    table.nodes["The service"] = Node("", f"at {' or '.join(urls)}")
    return table.nodes


class _Table:
    """The nodes of a specification, as they are found."""

    def __init__(self, spec: SpecDocument) -> None:
        self.nodes: dict[str, Node] = {}
        self.schemas = mapping(mapping(spec.content.get("components")).get("schemas"))
        self._spec = spec

    def add_operation(self, operation: Operation) -> None:
        """Add an operation and everything that it sends and receives."""
        path, content = (mapping(self._spec.find(each)) for each in (operation.pointer[:-1], operation.pointer))
        parameters = [*sequence(path.get("parameters")), *sequence(content.get("parameters"))]
        security = _security(self._spec, content)
        keywords: Object = {**content, "security": security, "parameters": parameters}
        self.nodes[operation.name] = Node("paths", f"{operation.method.upper()} {operation.path}", keywords)
        for container, way in _WAYS.items():
            for name, member, required in _members(self._spec, operation.name, {container: keywords.get(container)}):
                self.add(name, member, operation.name, ~way if operation.is_webhook else way, required=required)

    def add(self, name: str, given: Json, parent: str, way: Way, *, required: bool | None = None) -> None:
        """Add a part of an operation or a schema, and everything that it is made of."""
        known = self.nodes.get(name)
        if known and way in known.way:
            return
        value = _resolved(self._spec, given)
        value |= mapping(value.get("schema"))  # of a parameter, a header or a media type
        way |= known.way if known else _NOWHERE
        self.nodes[name] = Node(parent, _form(value), value, way, required)
        for reference in filter(None, map(_schema_name, [value, *_options(value), *_parts(value)])):
            self.add(reference, self.schemas.get(reference), "", way)
        for inner, member, needed in _members(self._spec, name, value):
            self.add(inner, member, name, way, required=needed)


def _members(spec: SpecDocument, name: str, holder: Object) -> Iterator[tuple[str, Json, bool | None]]:
    """The named parts of an operation, response or schema, and whether each is required."""
    if body := holder.get("requestBody"):
        yield f"{name}: the body", body, _resolved(spec, body).get("required") is True
    for given in sequence(holder.get("parameters")):
        parameter = _resolved(spec, given)
        yield f"{name}: {parameter.get('name')} ({parameter.get('in')})", given, parameter.get("required") is True
    for status, response in mapping(holder.get("responses")).items():
        yield f"{name}: the response {status}", response, None
    for key, header in mapping(holder.get("headers")).items():
        yield f"{name}, {key}", header, _resolved(spec, header).get("required") is True
    for media, content in mapping(holder.get("content")).items():
        yield f"{name} as {media}", content, None
    for key, schema in mapping(holder.get("properties")).items():
        yield f"{name}.{key}", schema, key in sequence(holder.get("required"))
    for value in sequence(holder.get("enum")):
        yield f"{name}.{value}", {"type": ""}, None
    if "items" in holder:
        yield f"{name}[]", holder["items"], None


def _security(spec: SpecDocument, operation: Object) -> list[Json]:
    """The ways to authenticate, in words."""
    schemes = mapping(mapping(spec.content.get("components")).get("securitySchemes"))
    given = sequence(operation.get("security", spec.content.get("security")))
    return [
        " and ".join(_scheme(name, mapping(schemes.get(name))) for name in mapping(each)) or "none" for each in given
    ]


def _scheme(name: str, scheme: Object) -> str:
    words = {**scheme, "scheme": str(scheme["scheme"]).lower()} if "scheme" in scheme else scheme
    return " ".join(str(words[key]) for key in ("type", "scheme", "in", "name") if key in words) or name


def _form(schema: Object) -> str:
    """Describe a schema in words: ``integer or null``."""
    return " or ".join(dict.fromkeys(_forms(schema)))


def _forms(schema: Object) -> list[str]:
    if options := _options(schema):
        return [form for option in options for form in _forms(option)]
    if parts := _parts(schema):
        return [" and ".join(map(_form, parts))]
    if name := _schema_name(schema):
        return [name]
    given = schema.get("type", "any JSON")
    return [_type(str(name), schema) for name in (given if isinstance(given, list) else [given])]


def _options(schema: Object) -> list[Object]:
    return [mapping(option) for option in sequence(schema.get("anyOf")) or sequence(schema.get("oneOf"))]


def _parts(schema: Object) -> list[Object]:
    return [mapping(part) for part in sequence(schema.get("allOf"))]


def _schema_name(value: Json) -> str:
    """The name of the schema that a reference leads to, or an empty string."""
    owner, _, name = str(mapping(value).get("$ref", "")).rpartition("/")
    return name if owner == "#/components/schemas" else ""


def _type(name: str, schema: Object) -> str:
    if name == "array":
        return f"list of {_form(mapping(schema.get('items')))}"
    return f"{name} ({schema['format']})" if schema.get("format") in _TYPED_FORMATS else name


def _resolved(spec: SpecDocument, value: Json) -> Object:
    """Follow a reference, but not to a schema."""
    target = None if _schema_name(value) else parse_reference(str(mapping(value).get("$ref", "")))
    return dict(mapping(value if target is None else spec.find(target)))


def _shown(value: Json) -> str:
    match value:
        case None | []:
            return "none"
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case list():
            return " or ".join(map(str, value))
        case _:
            return str(value)
