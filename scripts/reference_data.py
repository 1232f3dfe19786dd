"""The part of the specification that the page of the local queue shows: parameters, bodies and schemas, as JSON."""

import json

from scripts.spec_document import Json, SpecDocument, mapping, sequence

_KEPT = frozenset(
    {
        "$ref", "additionalProperties", "anyOf", "default", "deprecated", "description", "enum", "format", "items",
        "maximum", "maxItems", "maxLength", "minimum", "minItems", "minLength", "pattern", "properties", "required",
        "type",
    }
)  # fmt: skip


def render(spec: SpecDocument) -> str:
    """Return the operations and schemas as JSON, in the order of the specification."""
    operations = {operation.name: _operation(spec, operation.content) for operation in spec.client_operations()}
    schemas = mapping(mapping(spec.content["components"])["schemas"])
    content = {"operations": operations, "schemas": {name: _schema(schema) for name, schema in schemas.items()}}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _operation(spec: SpecDocument, content: dict[str, Json]) -> Json:
    parameters = [spec.resolved(entry) for entry in sequence(content.get("parameters"))]
    query: list[Json] = [
        {"name": found["name"], "description": found.get("description", ""), "schema": _schema(found.get("schema"))}
        for found in parameters
        if found["in"] == "query"
    ]
    responses = mapping(content.get("responses"))
    success = next((entry for status, entry in responses.items() if status.startswith("2")), None)
    return {
        "description": content.get("description", ""),
        "query": query,
        "request": _body(spec.resolved(content.get("requestBody"))),
        "response": _body(spec.resolved(success)),
    }


def _body(content: dict[str, Json]) -> Json:
    for media in mapping(content.get("content")).values():
        return _schema(mapping(media).get("schema"))
    return None


def _schema(value: Json) -> Json:
    """Return a schema without examples, extensions and comments."""
    if isinstance(value, list):
        return [_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Json] = {key: _schema(item) for key, item in value.items() if key in _KEPT}
    if "properties" in kept:
        kept["properties"] = {name: _schema(item) for name, item in mapping(value["properties"]).items()}
    return kept
