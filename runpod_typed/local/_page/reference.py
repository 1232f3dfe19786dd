"""The reference of the API as a page: operations, limits and caps, as the specification has them."""

import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from runpod_queue_api import wire

from runpod_typed.local._engine.records import JobStatus
from runpod_typed.local._server.app import OPERATIONS, Operation

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of {endpoint}</title><link rel="icon" href="/page/static/icon.svg">
<link rel="stylesheet" href="/page/static/page.css"></head>
<body class="reference"><header class="bar"><h1>HTTP API</h1><span class="muted">spec {version}</span>
<a class="button" href="/">Back to the queue</a></header><main>
<p>Paths stand below <code>/v2/{endpoint}</code>; the key is sent as <code>Authorization: Bearer KEY</code>.
A job's status is one of {statuses}.</p>
{sections}
<h2 class="part">Schemas</h2>
<p>Objects may hold more than is listed: the platform adds fields without notice.</p>
{schemas}</main></body></html>
"""


def render_reference(endpoint_id: str) -> str:
    """Return the page. Operations are in the order of the specification; those that it lacks come last."""
    places = {name: place for place, name in enumerate(_reference()["operations"])}
    operations = [operation for operation in OPERATIONS if not operation.worker]
    operations.sort(key=lambda operation: places.get(operation.name, len(places)))
    statuses = ", ".join(f"<code>{status.value}</code>" for status in JobStatus)
    sections = "\n".join(map(_section, operations))
    return _PAGE.format(
        endpoint=escape(endpoint_id),
        version=escape(wire.SPEC_VERSION),
        statuses=statuses,
        sections=sections,
        schemas="".join(_schemas()),
    )


@cache
def _reference() -> dict[str, Any]:
    """Return the parameters, bodies and schemas of the specification."""
    content: dict[str, Any] = json.loads((files("runpod_queue_api") / "reference.json").read_bytes())
    return content


def _section(operation: Operation) -> str:
    name, methods = operation.name, "/".join(method for method in operation.methods if method != "HEAD")
    facts: list[str] = []
    limit = wire.OPERATION_LIMITS.get(name)
    if limit is not None:
        facts.append(f"{limit.requests} requests in {limit.window_seconds:g} s, {limit.concurrent} at once")
    cap = wire.PAYLOAD_CAPS.get(name)
    if cap is not None:
        facts.append(f"at most {cap >> 20} MiB")
    return (
        f'<section><h2 id="{name}"><span class="verb">{methods}</span> <code>{escape(operation.path)}</code></h2>'
        f"<p>{_html(inspect.getdoc(operation.handler) or '')}</p>{''.join(_details(name))}"
        f'<p class="muted">{escape("; ".join([name, *facts]))}</p></section>'
    )


def _details(name: str) -> Iterator[str]:
    described = _reference()["operations"].get(name, {})
    if described.get("query"):
        yield _table("Query", ((one["name"], one["schema"], _words(one), False) for one in described["query"]))
    if described.get("request") is not None:
        yield f"<p>Body: {_type(described['request'])}</p>"
    if described.get("response") is not None:
        yield f"<p>Response: {_type(described['response'])}</p>"


def _schemas() -> Iterator[str]:
    for name, schema in sorted(_reference()["schemas"].items()):
        yield f'<section><h2 id="schema-{name}">{name}</h2><p>{_words(schema)}</p>'
        if "enum" in schema:
            yield f"<p>One of {', '.join(f'<code>{escape(str(value))}</code>' for value in schema['enum'])}.</p>"
        required = schema.get("required", ())
        rows = [
            (field, found, _words(found), field in required) for field, found in schema.get("properties", {}).items()
        ]
        if rows:
            yield _table("Field", iter(rows))
        yield "</section>"


def _table(title: str, rows: Iterator[tuple[str, Any, str, bool]]) -> str:
    """Return a table of names, types and meanings; the meanings are HTML."""
    body = "".join(
        f"<tr><th scope='row'><code>{escape(name)}</code>{' <b>required</b>' if required else ''}</th>"
        f"<td>{_type(schema)}</td><td>{meaning}</td></tr>"
        for name, schema, meaning, required in rows
    )
    return (
        f'<div class="fields" tabindex="0" role="group" aria-label="{title}"><table><thead><tr>'
        f"<th scope='col'>{title}</th><th scope='col'>Type</th><th scope='col'>Meaning</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any JSON")))


def _words(schema: dict[str, Any]) -> str:
    """Return the description of a schema, and its bounds, as HTML."""
    bounds = [
        f"{name} {schema[key]}"
        for key, name in (("minimum", "at least"), ("maximum", "at most"), ("default", "by default"))
        if key in schema
    ]
    deprecated = "Deprecated. " if schema.get("deprecated") else ""
    text = " ".join(str(schema.get("description", "")).split())
    return _html(deprecated + text + (f" ({', '.join(bounds)})" if bounds else ""))


def _html(markdown: str) -> str:
    shown = escape(markdown)
    shown = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", shown)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", shown)
