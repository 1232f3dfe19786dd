"""What has changed between two specifications, for those who call the service through the code that is made of them.

Operations are known by their operationId, schemas by their name, fields by their key. A field is judged by its way: one
that is sent may become freer, one that is received may become surer. Texts and examples are not compared.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import frozen

from scripts.api_changes import Change, breaking, compatible, judged
from scripts.spec_document import Json, Operation, SpecDocument, mapping, parse_reference, sequence
from scripts.wire_module import BUDGET, BUDGETS, DEFAULT, MAX_BYTES, RETENTION

_LOWER: Final = ("minimum", "exclusiveMinimum", "minItems", "minLength")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxItems", "maxLength", MAX_BYTES)
_WORDS: Final = {
    MAX_BYTES: "limit in bytes",
    DEFAULT: "default on the server",
    RETENTION: "retention in seconds",
    "maxItems": "maximum of items",
    "minItems": "minimum of items",
    "maxLength": "maximum of characters",
    "minLength": "minimum of characters",
    "exclusiveMaximum": "maximum (not included)",
    "exclusiveMinimum": "minimum (not included)",
}
_SCHEMAS: Final = ("components", "schemas")


@frozen
class Way:
    """Which way a value goes; some go both."""

    sent: bool = False
    received: bool = False

    def __or__(self, other: "Way") -> "Way":
        """Both ways together."""
        return Way(self.sent or other.sent, self.received or other.received)


SENT: Final = Way(sent=True)
RECEIVED: Final = Way(received=True)


def spec_changes(old: SpecDocument, new: SpecDocument) -> list[Change]:
    """Everything that is not as it was, part by part of the specification."""
    return [
        *_server(old, new),
        *_operations(old, new),
        *_schemas(old, new),
        *_budgets(old, new),
    ]


def _server(old: SpecDocument, new: SpecDocument) -> Iterator[Change]:
    before, after = (_server_url(spec) for spec in (old, new))
    if before != after:
        yield compatible("The service", f"is at {after}, was at {before}")


def _server_url(spec: SpecDocument) -> str:
    servers = sequence(spec.content.get("servers"))
    return str(mapping(servers[0]).get("url")) if servers else "no address"


# Operations


def _operations(old: SpecDocument, new: SpecDocument) -> Iterator[Change]:
    before = {operation.name: operation for operation in old.operations()}
    after = {operation.name: operation for operation in new.operations()}
    renamed = _renamed_operations(before, after)
    for name, operation in before.items():
        if name in renamed:
            yield breaking(name, f"is called {renamed[name]} now")
        elif name not in after:
            yield breaking(name, f"is gone: {_route(operation)}")
        else:
            yield from _operation(old, operation, new, after[name])
    for name, operation in after.items():
        if name not in before and name not in renamed.values():
            yield compatible(name, f"is new: {_route(operation)}")


def _renamed_operations(before: Mapping[str, Operation], after: Mapping[str, Operation]) -> dict[str, str]:
    routes = {_route(operation): name for name, operation in after.items() if name not in before}
    gone = {name: _route(operation) for name, operation in before.items() if name not in after}
    return {name: routes[route] for name, route in gone.items() if route in routes}


def _route(operation: Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"


def _operation(old: SpecDocument, was: Operation, new: SpecDocument, now: Operation) -> Iterator[Change]:
    before, after = mapping(old.find(was.pointer)), mapping(new.find(now.pointer))
    name = was.name
    if _route(was) != _route(now):
        yield compatible(name, f"is {_route(now)}, was {_route(was)}; called by its name, it is what it was")
    if (tags := sequence(after.get("tags"))) != sequence(before.get("tags")):
        yield breaking(name, f"has moved to {', '.join(map(str, tags))}")
    if after.get("deprecated") and not before.get("deprecated"):
        yield compatible(name, "is deprecated")
    if (budget := after.get(BUDGET)) != before.get(BUDGET):
        yield compatible(name, f"counts to the rate limit {budget}, was {before.get(BUDGET)}")
    yield from _figures(name, before, after, Way())
    yield from _parameters(name, _own_parameters(old, was), _own_parameters(new, now))
    body, answer = (RECEIVED, SENT) if now.is_webhook else (SENT, RECEIVED)
    yield from _body(name, mapping(before.get("requestBody")), mapping(after.get("requestBody")), body)
    yield from _answers(name, _responses(old, before), _responses(new, after), answer)


def _own_parameters(spec: SpecDocument, operation: Operation) -> dict[str, dict[str, Json]]:
    """An operation's parameters and those of its path, by name."""
    given = [
        *sequence(mapping(spec.find(operation.pointer[:-1])).get("parameters")),
        *sequence(mapping(spec.find(operation.pointer)).get("parameters")),
    ]
    resolved = [_resolved(spec, each) for each in given]
    return {f"{each.get('name')} ({each.get('in')})": each for each in resolved}


def _parameters(
    operation: str, before: Mapping[str, dict[str, Json]], after: Mapping[str, dict[str, Json]]
) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key, {}), after.get(key, {})
        subject = f"{operation}: {key}"
        if not now:
            yield breaking(subject, "is gone")
        elif not was:
            needed = now.get("required") is True
            form = _form(now.get("schema"))
            yield judged(subject, f"is new: {form}, {'required' if needed else 'optional'}", breaks=needed)
        else:
            if now.get("required") is True and was.get("required") is not True:
                yield breaking(subject, "is required now")
            elif was.get("required") is True and now.get("required") is not True:
                yield compatible(subject, "is optional now")
            yield from _schema(subject, was.get("schema"), now.get("schema"), SENT)


def _body(operation: str, before: dict[str, Json], after: dict[str, Json], way: Way) -> Iterator[Change]:
    subject = f"{operation}: the body"
    if not before and not after:
        return
    if not after:
        yield breaking(subject, "is gone")
    elif not before:
        yield breaking(subject, f"is new: {_form(_json_schema(after))}")
    else:
        yield from _figures(subject, before, after, way)
        yield from _schema(subject, _json_schema(before), _json_schema(after), way)


def _responses(spec: SpecDocument, operation: dict[str, Json]) -> dict[str, dict[str, Json]]:
    return {status: _resolved(spec, each) for status, each in mapping(operation.get("responses")).items()}


def _answers(
    operation: str, before: Mapping[str, dict[str, Json]], after: Mapping[str, dict[str, Json]], way: Way
) -> Iterator[Change]:
    for status in dict.fromkeys([*before, *after]):
        subject = f"{operation}: the answer {status}"
        if status not in after:
            yield judged(subject, "is gone", breaks=status.startswith("2"))
        elif status not in before:
            yield compatible(subject, f"is new: {_form(_json_schema(after[status]))}")
        else:
            yield from _schema(subject, _json_schema(before[status]), _json_schema(after[status]), way)


def _json_schema(holder: dict[str, Json]) -> Json:
    """The schema of a body or an answer, as JSON."""
    return mapping(mapping(holder.get("content")).get("application/json")).get("schema")


# Schemas


def _schemas(old: SpecDocument, new: SpecDocument) -> Iterator[Change]:
    before, after = (mapping(mapping(spec.content.get("components")).get("schemas")) for spec in (old, new))
    ways = _ways(old), _ways(new)
    for name, schema in before.items():
        if name in after:
            way = ways[0].get(name, Way()) | ways[1].get(name, Way())
            yield from _schema(name, schema, after[name], way)
        else:
            yield breaking(name, "is gone")
    yield from (compatible(name, "is new") for name in after if name not in before)


def _ways(spec: SpecDocument) -> dict[str, Way]:
    """Which way each schema goes, from the operations that name it, through the schemas that do."""
    ways: dict[str, Way] = {}
    for operation in spec.operations():
        content = mapping(spec.find(operation.pointer))
        body, answer = (RECEIVED, SENT) if operation.is_webhook else (SENT, RECEIVED)
        _mark(spec, content.get("requestBody"), body, ways)
        _mark(spec, content.get("responses"), answer, ways)
    return ways


def _mark(spec: SpecDocument, value: Json, way: Way, ways: dict[str, Way]) -> None:
    if isinstance(value, list):
        for item in value:
            _mark(spec, item, way, ways)
    elif isinstance(value, dict):
        target = parse_reference(str(value["$ref"])) if "$ref" in value else None
        if target is None:
            _mark(spec, list(value.values()), way, ways)
        elif target[:2] != _SCHEMAS:
            _mark(spec, spec.find(target), way, ways)
        elif (known := ways.get(name := str(target[-1]), Way())) | way != known:
            ways[name] = known | way
            _mark(spec, spec.find(target), way, ways)


def _schema(subject: str, old: Json, new: Json, way: Way) -> Iterator[Change]:
    before, after = mapping(old), mapping(new)
    if (was := _alternatives(before)) != (now := _alternatives(after)):
        freer, surer = was < now, now < was
        breaks = not (freer if not way.received else surer if not way.sent else False)
        yield judged(subject, f"is {_form(after)}, was {_form(before)}", breaks=breaks)
        return
    if after.get("deprecated") and not before.get("deprecated"):
        yield compatible(subject, "is deprecated")
    yield from _values(subject, before, after)
    yield from _figures(subject, before, after, way)
    yield from _fields(subject, before, after, way)
    if "items" in before or "items" in after:
        yield from _schema(f"{subject}[]", before.get("items"), after.get("items"), way)


def _values(subject: str, before: dict[str, Json], after: dict[str, Json]) -> Iterator[Change]:
    was, now = ([str(value) for value in sequence(schema.get("enum"))] for schema in (before, after))
    yield from (breaking(f"{subject}.{value}", "is gone") for value in was if value not in now)
    yield from (compatible(f"{subject}.{value}", "is new: enums are open") for value in now if value not in was)


def _figures(subject: str, before: dict[str, Json], after: dict[str, Json], way: Way) -> Iterator[Change]:
    """Limits, and whatever else is stated as data."""
    keys = [key for key in [*before, *after] if key in {*_LOWER, *_UPPER, "pattern"} or key.startswith("x-runpod-")]
    for key in dict.fromkeys(keys):
        was, now = before.get(key), after.get(key)
        if was != now and key != BUDGET:
            word = _WORDS.get(key, key.removeprefix("x-runpod-").replace("-", " "))
            text = f"has no {word} now" if now is None else f"has a {word} of {_shown(now)}"
            yield judged(subject, f"{text}, was {_shown(was)}", breaks=way.sent and _tightens(key, was, now))


def _tightens(key: str, was: Json, now: Json) -> bool:
    """Whether something that was taken before is refused now."""
    if key == "pattern":
        return now is not None
    if key not in {*_LOWER, *_UPPER} or now is None:
        return False
    if not isinstance(was, int | float) or not isinstance(now, int | float):
        return True
    return now > was if key in _LOWER else now < was


def _fields(subject: str, before: dict[str, Json], after: dict[str, Json], way: Way) -> Iterator[Change]:
    was, now = mapping(before.get("properties")), mapping(after.get("properties"))
    needed_before, needed = sequence(before.get("required")), sequence(after.get("required"))
    renamed = _renamed_fields(was, now)
    for field, schema in was.items():
        name = f"{subject}.{field}"
        if field in renamed:
            yield breaking(name, f"is called {renamed[field]} now")
        elif field not in now:
            yield breaking(name, "is gone")
        else:
            if field in needed and field not in needed_before:
                yield judged(name, "is required now" if way.sent else "is always there now", breaks=way.sent)
            elif field in needed_before and field not in needed:
                yield judged(name, "may be absent now" if way.received else "is optional now", breaks=way.received)
            yield from _schema(name, schema, now[field], way)
    for field in now:
        if field not in was and field not in renamed.values():
            required = field in needed
            text = f"is new: {_form(now[field])}, {'required' if required else 'optional'}"
            yield judged(f"{subject}.{field}", text, breaks=required and way.sent)


def _renamed_fields(was: Mapping[str, Json], now: Mapping[str, Json]) -> dict[str, str]:
    """Fields that go on under another name: one is gone, one of the same form is new, and no other is like them."""
    gone = {field: _form(schema) for field, schema in was.items() if field not in now}
    new = {field: _form(schema) for field, schema in now.items() if field not in was}
    return {
        field: next(name for name in new if new[name] == form)
        for field, form in gone.items()
        if _once(form, gone.values()) and _once(form, new.values())
    }


def _once(form: str, forms: Iterable[str]) -> bool:
    return sum(each == form for each in forms) == 1


def _form(schema: Json) -> str:
    """What a value looks like, in words."""
    return " or ".join(_alternatives_in_order(mapping(schema)))


def _alternatives(schema: dict[str, Json]) -> frozenset[str]:
    return frozenset(_alternatives_in_order(schema))


def _alternatives_in_order(schema: dict[str, Json]) -> list[str]:
    options = sequence(schema.get("anyOf")) or sequence(schema.get("oneOf"))
    if options:
        forms = [form for option in options for form in _alternatives_in_order(mapping(option))]
        return list(dict.fromkeys(forms))
    if "$ref" in schema:
        return [str(schema["$ref"]).rpartition("/")[2]]
    given = schema.get("type")
    types = [str(each) for each in given] if isinstance(given, list) else [str(given)] if given else ["any JSON"]
    return [_typed(each, schema) for each in types]


def _typed(name: str, schema: dict[str, Json]) -> str:
    if name == "array":
        return f"list of {_form(schema.get('items'))}"
    return f"{name} ({schema['format']})" if "format" in schema else name


# Rate limits


def _budgets(old: SpecDocument, new: SpecDocument) -> Iterator[Change]:
    """Changed limits slow programs down or speed them up, and break none: those who wait are not refused."""
    before, after = mapping(old.content.get(BUDGETS)), mapping(new.content.get(BUDGETS))
    for name in dict.fromkeys([*before, *after]):
        was, now = _pace(mapping(before.get(name))), _pace(mapping(after.get(name)))
        if was != now:
            yield compatible(f"The rate limit {name}", f"is {now}, was {was}")


def _pace(budget: dict[str, Json]) -> str:
    if not budget:
        return "not published"
    open_at_once = f", {budget['concurrent']} at a time" if "concurrent" in budget else ""
    return f"{budget.get('requests')} requests in {budget.get('windowSeconds')} s{open_at_once}"


def _resolved(spec: SpecDocument, value: Json) -> dict[str, Json]:
    """The value, or what its reference stands for."""
    target = parse_reference(str(mapping(value).get("$ref", "")))
    return mapping(value if target is None else spec.find(target))


def _shown(value: Json) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value is None else str(value)
