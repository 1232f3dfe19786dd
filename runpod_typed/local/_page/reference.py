"""The reference of the API as a page: operations, limits and caps, as the specification has them."""

from collections.abc import Sequence
from html import escape

from runpod_queue_api import wire

from runpod_typed.local._engine.records import JobStatus

Described = tuple[str, str, str, str]
"""The id of an operation, its methods, its path and what it does."""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API of {endpoint}</title><link rel="icon" href="/page/static/icon.svg">
<link rel="stylesheet" href="/page/static/page.css"></head>
<body class="reference"><header class="bar"><h1>HTTP API</h1><span class="muted">spec {version}</span>
<a class="button" href="/">Back to the queue</a></header><main>
<p>Paths stand below <code>/v2/{endpoint}</code>; the key is sent as <code>Authorization: Bearer KEY</code>.
A job's status is one of {statuses}.</p>
{sections}</main></body></html>
"""


def render_reference(endpoint_id: str, operations: Sequence[Described]) -> str:
    """Return the page."""
    statuses = ", ".join(f"<code>{status.value}</code>" for status in JobStatus)
    sections = "\n".join(_section(*operation) for operation in operations)
    return _PAGE.format(
        endpoint=escape(endpoint_id), version=escape(wire.SPEC_VERSION), statuses=statuses, sections=sections
    )


def _section(name: str, methods: str, path: str, summary: str) -> str:
    facts: list[str] = []
    limit = wire.OPERATION_LIMITS.get(name)
    if limit is not None:
        facts.append(f"{limit.requests} requests in {limit.window_seconds:g} s, {limit.concurrent} at once")
    cap = wire.PAYLOAD_CAPS.get(name)
    if cap is not None:
        facts.append(f"at most {cap >> 20} MiB")
    return (
        f'<section><h2 id="{name}"><span class="verb">{methods}</span> <code>{escape(path)}</code></h2>'
        f'<p>{escape(summary)}</p><p class="muted">{escape("; ".join([name, *facts]))}</p></section>'
    )
