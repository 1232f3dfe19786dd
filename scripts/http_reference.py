"""Writes the HTTP API's reference, a page of Markdown, from the specification.

Everything that the specification says is on it: operations, parameters, bodies, responses, limits, schemas and
examples. Only its comments (`Evidence:`) are left out.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from scripts.spec_document import Json, Operation, SpecDocument, mapping, parse_reference, sequence
from scripts.wire_module import BUDGET, BUDGETS, DEFAULT, MAX_BYTES, NO_BUDGET, RETENTION

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

_FACTS: Final = {
    "x-runpod-job-id-prefix": "Ids of these jobs begin with `{}`.",
    "x-runpod-max-active-batches": "At most {:,} batches may be active at once.",
    "x-runpod-max-queued-requests": "At most {:,} requests of batches may be queued.",
    "x-runpod-delivery-attempts": "A delivery is tried up to {} times.",
}
"""What an operation's extensions say, in words, but for those that have a place of their own."""


_BOUNDS: Final = {
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "maxItems": "at most {:,} of them",
    "pattern": "pattern `{}`",
}
"""The bounds of a schema, in words."""


def render(spec: SpecDocument) -> str:
    """The page's generated part: Markdown, its headings from the second level on."""
    parts = (_about, _budgets, _tags, _webhooks, _shared_responses, _schemas)
    return "\n".join(line for part in parts for line in part(spec))


def _about(spec: SpecDocument) -> Iterator[str]:
    info = mapping(spec.content["info"])
    yield f"## {info['title']} {info['version']}\n"
    yield f"{info['description']}\n"
    for server in sequence(spec.content["servers"]):
        yield f"Server: `{mapping(server)['url']}`\n"
    for name, scheme in _components(spec, "securitySchemes"):
        header = f"Authorization: {str(scheme['scheme']).title()} KEY"
        yield f"Every request carries `{header}` (`{name}`). {_text(scheme)}\n"


def _budgets(spec: SpecDocument) -> Iterator[str]:
    rows: list[list[str]] = []
    for name, limit in mapping(spec.content[BUDGETS]).items():
        figures = mapping(limit)
        shared = [
            f"[{operation.name}](#{_operation_target(operation)})"
            for operation in spec.operations()
            if mapping(spec.find(operation.pointer)).get(BUDGET) == name
        ]
        rows.append(
            [
                *(f"`{name}`", f"{figures['requests']:,}", f"{figures['windowSeconds']}\N{NO-BREAK SPACE}s"),
                *(f"{figures['concurrent']:,}" if "concurrent" in figures else "not stated", ", ".join(shared)),
            ]
        )
    yield "## Rate limits\n"
    yield "Per user, endpoint and budget. Operations that name the same budget share it.\n"
    yield from _table(["Budget", "Requests", "in", "At once", "Counts"], rows)


def _tags(spec: SpecDocument) -> Iterator[str]:
    for entry in sequence(spec.content["tags"]):
        tag = mapping(entry)
        yield f"## Operations: {tag['name']}\n"
        yield f"{_text(tag)}\n"
        for operation in spec.operations():
            if not operation.is_webhook and tag["name"] in sequence(mapping(spec.find(operation.pointer))["tags"]):
                yield from _operation(spec, operation)


def _webhooks(spec: SpecDocument) -> Iterator[str]:
    webhooks = [operation for operation in spec.operations() if operation.is_webhook]
    if webhooks:
        yield "## Webhooks\n"
        yield "Requests that Runpod sends to your server.\n"
        for operation in webhooks:
            yield from _operation(spec, operation)


def _operation(spec: SpecDocument, operation: Operation) -> Iterator[str]:
    content = mapping(spec.find(operation.pointer))
    yield f"({_operation_target(operation)})="
    yield f"### {operation.name}\n"
    address = "your URL" if operation.is_webhook else operation.path
    yield f"{content['summary']}.\n"
    yield f"```text\n{operation.method.upper()} {address}\n```\n"
    if "description" in content:
        yield f"{_text(content)}\n"
    yield from (f"- {fact}" for fact in _operation_facts(spec, content))
    yield ""
    shared = mapping(spec.find(operation.pointer[:-1])).get("parameters")
    yield from _parameters(spec, [*sequence(shared), *sequence(content.get("parameters"))])
    yield from _request_body(mapping(content.get("requestBody")))
    yield from _responses(mapping(content["responses"]))


def _operation_facts(spec: SpecDocument, content: dict[str, Json]) -> Iterator[str]:
    budget = content.get(BUDGET)
    if budget == NO_BUDGET:
        yield "Rate limit: none is published."
    elif isinstance(budget, str):
        limit = mapping(spec.find((BUDGETS, budget)))
        at_once = f", {limit['concurrent']:,} at once" if "concurrent" in limit else ""
        yield f"Rate limit: budget `{budget}`, {limit['requests']:,} requests in {limit['windowSeconds']} s{at_once}."
    if isinstance(seconds := content.get(RETENTION), int):
        yield f"The result can be read for {_duration(seconds)}."
    size = mapping(content.get("requestBody")).get(MAX_BYTES)
    if isinstance(size, int):
        yield f"The body may have {_size(size)}."
    for key, words in _FACTS.items():
        if key in content:
            yield words.format(content[key])


def _parameters(spec: SpecDocument, entries: Sequence[Json]) -> Iterator[str]:
    rows: list[list[str]] = []
    for entry in entries:
        found = _resolved(spec, entry)
        required = "required" if found.get("required") else "optional"
        example = f" Such as `{found['example']}`." if "example" in found else ""
        schema = mapping(found.get("schema"))
        meaning = _text(found) + example + _bounds(schema)
        rows.append([f"`{found['name']}`", f"{found['in']}, {required}", _type(schema), meaning])
    if rows:
        yield "**Parameters**\n"
        yield from _table(["Name", "Where", "Type", "Meaning"], rows)


def _request_body(body: dict[str, Json]) -> Iterator[str]:
    for media, content in mapping(body.get("content")).items():
        required = "required" if body.get("required") else "optional"
        schema = mapping(content).get("schema")
        yield f"**Body** (`{media}`, {required}): {_type(schema)}{_remarks(schema)}\n"
    yield from _examples_of(body)


def _responses(responses: dict[str, Json]) -> Iterator[str]:
    rows: list[list[str]] = []
    shared: list[str] = []
    examples: list[str] = []
    for status, entry in responses.items():
        reference = parse_reference(str(mapping(entry).get("$ref", "")))
        if reference is not None:
            shared.append(f"`{status}` [{reference[-1]}](#{_response_target(str(reference[-1]))})")
            continue
        response = mapping(entry)
        rows.append([f"`{status}`", _text(response), _bodies(response)])
        examples += _examples_of(response)
    yield "**Responses**\n"
    yield from _table(["Status", "Meaning", "Body"], rows)
    if shared:
        yield f"Shared with other operations: {', '.join(shared)}.\n"
    yield from examples


def _shared_responses(spec: SpecDocument) -> Iterator[str]:
    yield "## Shared responses\n"
    yield "Responses of several operations.\n"
    for name, response in _components(spec, "responses"):
        yield f"({_response_target(name)})="
        yield f"### {name}\n"
        yield f"{_text(response)}\n"
        yield f"Body: {_bodies(response)}\n"
        headers = [
            [f"`{header}`", _text(_resolved(spec, entry)), _inline_examples(mapping(_resolved(spec, entry)["schema"]))]
            for header, entry in mapping(response.get("headers")).items()
        ]
        yield from _table(["Header", "Meaning", "Such as"], headers)
        yield from _examples_of(response)


def _schemas(spec: SpecDocument) -> Iterator[str]:
    yield "## Schemas\n"
    yield "Objects may hold more than is listed: the platform adds fields without notice.\n"
    for name, schema in _components(spec, "schemas"):
        yield f"({_schema_target(name)})="
        yield f"### {name}\n"
        yield f"{_text(schema)}{_bounds(schema)}\n"
        if "enum" in schema:
            yield "One of " + ", ".join(f"`{value}`" for value in sequence(schema["enum"])) + ".\n"
        required = sequence(schema.get("required"))
        rows = [
            [f"`{name}`", "required" if name in required else "optional", _type(found), _field_text(mapping(found))]
            for name, found in mapping(schema.get("properties")).items()
        ]
        yield from _table(["Field", "", "Type", "Meaning"], rows)
        for example in sequence(schema.get("examples")):
            yield from _json(example)


def _field_text(found: dict[str, Json]) -> str:
    gone = "Deprecated. " if found.get("deprecated") else ""
    such_as = f" Such as {_inline_examples(found)}." if "examples" in found else ""
    said = _remarks(found).strip() or _text(found)
    return gone + said + such_as


def _components(spec: SpecDocument, section: str) -> Iterator[tuple[str, dict[str, Json]]]:
    for name, value in mapping(mapping(spec.content["components"]).get(section)).items():
        yield name, mapping(value)


def _resolved(spec: SpecDocument, entry: Json) -> dict[str, Json]:
    reference = parse_reference(str(mapping(entry).get("$ref", "")))
    return mapping(entry if reference is None else spec.find(reference))


def _text(value: dict[str, Json]) -> str:
    return " ".join(str(value.get("description", "")).split())


def _type(schema: Json) -> str:
    """A schema in a few words, with links to those that have a name."""
    found = mapping(schema)
    reference = parse_reference(str(found.get("$ref", "")))
    if reference is not None:
        return f"[{reference[-1]}](#{_schema_target(str(reference[-1]))})"
    if "anyOf" in found:
        return " or ".join(_type(choice) for choice in sequence(found["anyOf"]))
    if found.get("type") == "array":
        return f"array of {_type(found.get('items'))}"
    return str(found.get("type", "any JSON")) + (f" ({found['format']})" if "format" in found else "")


def _remarks(schema: Json) -> str:
    """The descriptions of an unnamed schema, which has no entry, and of its parts."""
    found = mapping(schema)
    if "$ref" in found:
        return ""
    parts = [*sequence(found.get("anyOf")), *([found["items"]] if "items" in found else [])]
    own = f" {_text(found)}" if "description" in found else ""
    return own + _bounds(found) + "".join(_remarks(part) for part in parts)


def _bounds(schema: dict[str, Json]) -> str:
    parts: list[str] = []
    for key, words in _BOUNDS.items():
        if key in schema:
            parts.append(words.format(schema[key]))
    if DEFAULT in schema:
        parts.append(f"the service's default is `{json.dumps(schema[DEFAULT])}`")
    if isinstance(size := schema.get(MAX_BYTES), int):
        parts.append(f"at most {_size(size)}")
    said = ", ".join(parts)
    return f" {said[0].upper()}{said[1:]}." if said else ""


def _bodies(response: dict[str, Json]) -> str:
    bodies = [
        f"{_type(mapping(content).get('schema'))} (`{media}`){_remarks(mapping(content).get('schema'))}"
        for media, content in mapping(response.get("content")).items()
    ]
    return ", or ".join(bodies) or "none"


def _inline_examples(schema: dict[str, Json]) -> str:
    shown = (
        example if isinstance(example, str) else json.dumps(example) for example in sequence(schema.get("examples"))
    )
    return ", ".join(f"`{example}`" for example in shown)


def _examples_of(body: dict[str, Json]) -> Iterator[str]:
    for content in mapping(body.get("content")).values():
        for name, entry in mapping(mapping(content).get("examples")).items():
            example = mapping(entry)
            yield f"Example `{name}`" + (f": {example['summary']}" if "summary" in example else "") + "\n"
            yield from _json(example["value"])


def _json(value: Json) -> Iterator[str]:
    yield "```json"
    short = json.dumps(value, ensure_ascii=False)
    yield short if len(short) <= 88 else json.dumps(value, ensure_ascii=False, indent=2)
    yield "```\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; none without rows."""
    if rows:
        cells = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
        yield from (f"| {' | '.join(row)} |" for row in cells)
        yield ""


def _size(size: int) -> str:
    return f"{size // 2**20} MiB ({size:,} bytes)"


def _duration(seconds: int) -> str:
    size, unit = next(each for each in _UNITS if seconds % each[0] == 0)
    return f"{seconds // size:,} {unit}{'s' * (seconds != size)}"


def _operation_target(operation: Operation) -> str:
    return f"operation-{operation.name}".replace("_", "-")


def _schema_target(name: str) -> str:
    return f"schema-{name.lower()}"


def _response_target(name: str) -> str:
    return f"response-{name.lower()}"
