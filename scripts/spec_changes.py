"""Compare two specifications, for those who call the service through the code that is generated from them.

Each specification becomes a table of nodes: operations, parameters, bodies, responses, headers, schemas, fields, by the
name that a report gives them. What is sent may accept more than before; what is received may promise more.
Descriptions and examples are not compared.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Flag, auto
from typing import Final, NamedTuple, TypeAlias

from attrs import field, frozen
from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from scripts.api_changes import Change
from scripts.spec_document import BUDGETS, CONSTANTS, MAX_BYTES, UNIT, Json, Operation, SpecDocument, mapping, sequence


class Way(Flag):
    """The directions in which a value travels."""

    SENT = auto()
    RECEIVED = auto()


Object: TypeAlias = dict[str, Json]
Table: TypeAlias = Mapping[str, "Node"]

_NOWHERE: Final = Way(0)
_TYPED_FORMATS: Final = frozenset({"date", "date-time", "binary", "uuid"})
"""The formats that decide on a Python type."""
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


class Rule(NamedTuple):
    """The meaning of a keyword for callers."""

    words: str
    refuses: Callable[[Json, Json], bool] = lambda _was, _now: False
    """Tells whether the new value refuses what the old one accepted."""
    always: bool = False
    """It binds callers wherever it stands, and not only in what is sent."""


def _bound(sign: int) -> Callable[[Json, Json], bool]:
    """Return a rule that refuses a maximum that falls (1), or a minimum that rises (-1)."""
    return lambda was, now: (
        isinstance(now, int | float) and not (isinstance(was, int | float) and sign * now >= sign * was)
    )


def _is_set(_was: Json, now: Json) -> bool:
    return now is not None


def _is_changed(was: Json, _now: Json) -> bool:
    return was is not None


def _is_narrower(was: Json, now: Json) -> bool:
    """Search for a string that the old pattern accepts and the new one refuses."""
    if was is None or now is None:
        return now is not None
    accepted = st.from_regex(str(was)).filter(lambda text: not text.endswith("\n"))
    thorough = settings(max_examples=400, derandomize=True, database=None)
    try:
        find(accepted, lambda text: re.search(str(now), text) is None, settings=thorough)
    except NoSuchExample:
        return False
    except re.error:  # it is not a pattern: `nox -s generate` refuses it
        return True
    return True


def _is_withdrawn(was: Json, now: Json) -> bool:
    """Return True if an old way is not offered any more."""
    ways = sequence(now)
    return now != [] and "none" not in ways and any(each not in ways for each in sequence(was) or [None])


_RULES: Final[Mapping[str, Rule]] = {
    "minimum": Rule("minimum", _bound(-1)),
    "exclusiveMinimum": Rule("minimum (not included)", _bound(-1)),
    "minItems": Rule("minimum of items", _bound(-1)),
    "minLength": Rule("minimum of characters", _bound(-1)),
    "maximum": Rule("maximum", _bound(1)),
    "exclusiveMaximum": Rule("maximum (not included)", _bound(1)),
    "maxItems": Rule("maximum of items", _bound(1)),
    "maxLength": Rule("maximum of characters", _bound(1)),
    "pattern": Rule("pattern", _is_narrower),
    "uniqueItems": Rule("unique items", _is_set),
    "format": Rule("format", _is_set),
    "readOnly": Rule("readOnly"),
    "writeOnly": Rule("writeOnly"),
    "contentMediaType": Rule("media type"),
    "contentEncoding": Rule("encoding"),
    "callbacks": Rule("callback", _is_changed, always=True),
    "security": Rule("authentication", _is_withdrawn, always=True),
    "tags": Rule("tag", _is_withdrawn, always=True),
    MAX_BYTES: Rule("limit in bytes", _bound(1)),
    "x-runpod-retention-seconds": Rule("retention in seconds", _bound(1), always=True),
    "x-runpod-max-active-batches": Rule("maximum of active batches", _bound(1), always=True),
    "x-runpod-max-queued-requests": Rule("maximum of queued requests", _bound(1), always=True),
    UNIT: Rule("unit", _is_changed, always=True),
    CONSTANTS: Rule(""),
}


def spec_changes(old: SpecDocument, new: SpecDocument) -> list[Change]:
    """Return every difference that users can meet."""
    before, after = _nodes(old), _nodes(new)
    renamed = _renamed(before, after)
    settled = set[str]()  # what is below these is not compared
    changes: list[Change] = []
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        if (now or was or Node("", "")).parent in settled:
            settled.add(name)
        elif was and now:
            changes += _compared(name, was, now)
            if was.form != now.form and was.way | now.way:
                settled.add(name)
        elif was:
            settled.add(name)
            other = renamed.get(name, "").removeprefix(was.parent).lstrip(".:, ")
            breaks = not _OPTIONAL.search(name) and re.sub(r"(: the response \d)\d\d$", r"\1XX", name) not in after
            text = f"is called {other} now" if other else "is gone"
            changes.append(Change(name, text, breaks=breaks, merge=":" in name))
        elif now:
            settled.add(name)
            if name not in renamed.values():
                changes.append(_new(name, now, before))
    return changes


def _renamed(before: Table, after: Table) -> dict[str, str]:
    """Find what has another name now: one is gone, one like it is new, and no other is like them."""
    gone, new = _by_likeness(before, after), _by_likeness(after, before)
    pairs = ((gone[like], new[like]) for like in gone if like in new)
    return {names[0]: others[0] for names, others in pairs if len(names) == len(others) == 1}


def _by_likeness(nodes: Table, others: Table) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, node in nodes.items():
        if name not in others and node.parent and node.form and not _NUMBERED.search(name):
            found.setdefault((node.parent, _unnamed(node.form)), []).append(name)
    return found


def _unnamed(route: str) -> str:
    """Return a route without the names of its parameters."""
    return re.sub(r"\{.*?\}", "{}", route)


def _new(name: str, node: Node, before: Table) -> Change:
    form = _content_form(name, node)
    breaks = bool(node.required) and Way.SENT in node.way
    if _RESULT.search(name):
        results = {
            _content_form(other, known)
            for other, known in before.items()
            if known.parent == node.parent and _RESULT.search(other)
        }
        breaks = bool(results) and form not in results  # what is returned may be something else
    need = {None: "", True: ", required", False: ", optional"}[node.required]
    return Change(name, f"is new{f': {form}' if form else ''}{need}", breaks=breaks, merge=":" in name)


def _content_form(name: str, node: Node) -> str:
    """Return the form of what a body or a response carries."""
    content = [_form(mapping(mapping(each).get("schema"))) for each in mapping(node.keywords.get("content")).values()]
    return " or ".join(dict.fromkeys(content)) or ("no body" if _RESPONSE.search(name) else node.form)


def _compared(name: str, was: Node, now: Node) -> Iterator[Change]:
    way = was.way | now.way
    if bool(was.required) != bool(now.required):
        is_sent, is_received = Way.SENT in way, Way.RECEIVED in way
        text = (
            ("is required now" if is_sent else "is always there now")
            if now.required
            else ("may be absent now" if is_received else "is optional now")
        )
        yield Change(name, text, breaks=is_sent if now.required else is_received, merge=True)
    if _has_another_form(was.form, now.form):
        forms, others = _members_of(was.form), _members_of(now.form)
        is_wider = forms < others and Way.RECEIVED not in way
        is_narrower = others < forms and Way.SENT not in way
        breaks = bool(way) and not (is_wider or is_narrower)
        yield Change(name, f"is {now.form}, was {was.form}", breaks=breaks, merge=True)
    else:
        yield from _keywords(name, was.keywords, now.keywords, way)


def _has_another_form(was: str, now: str) -> bool:
    """Return True for another form; parameters of a route may have other names, but not another order."""
    names, others = (sorted(re.findall(r"\{\w+\}", each)) for each in (was, now))
    return _unnamed(was) != _unnamed(now) or (was != now and names == others)


def _members_of(form: str) -> set[str]:
    members = set(form.split(" or "))
    return members | {"integer"} if "number" in members else members


def _keywords(name: str, before: Object, after: Object, way: Way) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        data = Rule(key.removeprefix("x-runpod-").replace("-", " ") if key.startswith("x-runpod-") else "")
        rule = _RULES.get(key, data)
        if was != now and rule.words:
            breaks = (rule.always or Way.SENT in way) and rule.refuses(was, now)
            text = f"has no {rule.words} now" if now is None else f"has {rule.words} {_shown(now)}"
            yield Change(name, f"{text}, was {_shown(was)}", breaks=breaks, merge=True)
    if bool(before.get("deprecated")) != bool(after.get("deprecated")):
        text = "is deprecated" if after.get("deprecated") else "is not deprecated any more"
        yield Change(name, text, breaks=False, merge=True)


# Nodes


def _nodes(spec: SpecDocument) -> Table:
    """Return everything that is compared, each below its parent."""
    content, nodes = spec.content, _Nodes(spec)
    for operation in spec.operations():
        nodes.add_operation(operation)
    for name, schema in nodes.schemas.items():
        nodes.add(name, schema, "", _NOWHERE)
    table = nodes.table
    extensions = {key: value for key, value in content.items() if key.startswith("x-") and key != BUDGETS}
    table["The specification"] = Node("", "", extensions)
    for tag in map(mapping, sequence(content.get("tags"))):
        table[f"The tag {tag.get('name')}"] = Node("", "", tag)
    for name, limit in mapping(content.get(BUDGETS)).items():
        table[f"The rate limit {name}"] = Node("", ", ".join(f"{value} {key}" for key, value in mapping(limit).items()))
    urls = [str(mapping(server).get("url")) for server in sequence(content.get("servers"))]
    table["The service"] = Node("", f"at {' or '.join(urls) or 'no address'}")
    return table


class _Nodes:
    """The nodes of a specification, as they are found."""

    def __init__(self, spec: SpecDocument) -> None:
        self.table: dict[str, Node] = {}
        self.schemas = mapping(mapping(spec.content.get("components")).get("schemas"))
        self._spec = spec

    def add_operation(self, operation: Operation) -> None:
        """Add an operation and everything that it sends and receives."""
        path, content = mapping(self._spec.find(operation.pointer[:-1])), operation.content
        parameters = [*sequence(path.get("parameters")), *sequence(content.get("parameters"))]
        keywords: Object = {**content, "security": _security(self._spec, content), "parameters": parameters}
        if "callbacks" in content:
            keywords["callbacks"] = [url for each in mapping(content["callbacks"]).values() for url in mapping(each)]
        self.table[operation.name] = Node("paths", f"{operation.method.upper()} {operation.path}", keywords)
        for part in ("parameters", "requestBody", "responses"):
            way = Way.RECEIVED if (part == "responses") is not operation.is_webhook else Way.SENT
            self._add_members(operation.name, {part: keywords.get(part)}, way)

    def add(self, name: str, given: Json, parent: str, way: Way, *, required: bool | None = None) -> None:
        """Add a part of an operation or a schema, and everything that it is made of."""
        known = self.table.get(name)
        if known and way in known.way:
            return
        value = self._resolved(given)
        value |= mapping(value.get("schema"))  # of a parameter, a header or a media type
        way |= known.way if known else _NOWHERE
        self.table[name] = Node(parent, _form(value), value, way, required)
        for reference in filter(None, map(_schema_name, [value, *_options(value), *_parts(value)])):
            self.add(reference, self.schemas.get(reference), "", way)
        self._add_members(name, value, way)

    def _add_members(self, name: str, holder: Object, way: Way) -> None:
        for inner, member, required in self._members(name, holder):
            self.add(inner, member, name, way, required=required)

    def _members(self, name: str, holder: Object) -> Iterator[tuple[str, Json, bool | None]]:
        """Yield the named parts of an operation, response or schema, and whether each is required."""
        if body := holder.get("requestBody"):
            yield f"{name}: the body", body, self._is_required(body)
        for given in sequence(holder.get("parameters")):
            parameter = self._resolved(given)
            yield f"{name}: {parameter.get('name')} ({parameter.get('in')})", given, self._is_required(given)
        for status, response in mapping(holder.get("responses")).items():
            yield f"{name}: the response {status}", response, None
        for key, header in mapping(holder.get("headers")).items():
            yield f"{name}, {key}", header, self._is_required(header)
        for media, content in mapping(holder.get("content")).items():
            yield f"{name} as {media}", content, None
        for key, schema in mapping(holder.get("properties")).items():
            yield f"{name}.{key}", schema, key in sequence(holder.get("required"))
        for value in sequence(holder.get("enum")):
            yield f"{name}.{value}", {"type": ""}, None
        if "items" in holder:
            yield f"{name}[]", holder["items"], None

    def _is_required(self, value: Json) -> bool:
        return self._resolved(value).get("required") is True

    def _resolved(self, value: Json) -> Object:
        """Follow a reference, but not to a schema."""
        return dict(mapping(value) if _schema_name(value) else self._spec.resolved(value))


def _security(spec: SpecDocument, operation: Object) -> list[Json]:
    """Return the ways to authenticate, in words."""
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
    """Return the name of the schema that a reference leads to, or an empty string."""
    owner, _, name = str(mapping(value).get("$ref", "")).rpartition("/")
    return name if owner == "#/components/schemas" else ""


def _type(name: str, schema: Object) -> str:
    if name == "array":
        return f"list of {_form(mapping(schema.get('items')))}"
    return f"{name} ({schema['format']})" if schema.get("format") in _TYPED_FORMATS else name


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return " or ".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:,}" if type(value) is int else str(value)
