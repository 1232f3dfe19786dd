"""Write the HTTP API's reference, a page of Markdown, from the specification and `http_reference.md.jinja`.

Everything that the specification says is on it: operations, parameters, bodies, responses, limits, schemas and
examples. Only its comments (`Evidence:`) are left out.
"""

import json
import re
from pathlib import Path
from typing import Final

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from scripts.spec_document import DEFAULT, MAX_BYTES, Json, SpecDocument, mapping, sequence

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_BOUNDS: Final = {
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "maxItems": "at most {:,} of them",
    "pattern": "pattern `{}`",
}
"""The bounds of a schema, in words."""


def render(spec: SpecDocument) -> str:
    """Return the page's generated part: Markdown, its headings from the second level on."""
    environment = Environment(  # noqa: S701 -- it writes Markdown, from a file of ours
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=ChainableUndefined,  # most keywords are optional
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {  # pyright: ignore[reportUnknownMemberType] -- jinja2 does not declare its type
        "bodies": _bodies,
        "bounds": _bounds,
        "duration": _duration,
        "json_block": _json_block,
        "meaning": _meaning,
        "need": _need,
        "remarks": _remarks,
        "resolved": spec.resolved,
        "size": _size,
        "such_as": _such_as,
        "text": _text,
        "type": _type,
    }
    template = environment.get_template("http_reference.md.jinja")
    operations = list(spec.operations())
    page = template.render(spec=spec.content, operations=operations, find=spec.find, parameters=spec.parameters)
    return re.sub(r"\n{3,}", "\n\n", page)


def _text(value: dict[str, Json]) -> str:
    return " ".join(str(value.get("description", "")).split())


def _type(schema: Json) -> str:
    """Return a schema in a few words, with links to those that have a name."""
    found = mapping(schema)
    if "$ref" in found:
        name = str(found["$ref"]).rpartition("/")[2]
        return f"[{name}](#schema-{name.lower()})"
    if "anyOf" in found:
        return " or ".join(_type(choice) for choice in sequence(found["anyOf"]))
    if found.get("type") == "array":
        return f"array of {_type(found.get('items'))}"
    return str(found.get("type", "any JSON")) + (f" ({found['format']})" if "format" in found else "")


def _remarks(schema: Json) -> str:
    """Return the descriptions of an unnamed schema, which has no entry, and of its parts."""
    found = mapping(schema)
    if "$ref" in found:
        return ""
    parts = [*sequence(found.get("anyOf")), *([found["items"]] if "items" in found else [])]
    own = f" {_text(found)}" if "description" in found else ""
    return own + _bounds(found) + "".join(map(_remarks, parts))


def _meaning(schema: dict[str, Json]) -> str:
    return _remarks(schema).strip() or _text(schema)


def _need(value: dict[str, Json]) -> str:
    return "required" if value.get("required") else "optional"


def _bounds(schema: dict[str, Json]) -> str:
    parts = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    if DEFAULT in schema:
        parts.append(f"the service's default is `{json.dumps(schema[DEFAULT])}`")
    if isinstance(size := schema.get(MAX_BYTES), int):
        parts.append(f"at most {_size(size)}")
    said = ", ".join(parts)
    return f" {said[0].upper()}{said[1:]}." if said else ""


def _bodies(response: dict[str, Json]) -> str:
    schemas = {media: mapping(content).get("schema") for media, content in mapping(response.get("content")).items()}
    bodies = [f"{_type(schema)} (`{media}`){_remarks(schema)}" for media, schema in schemas.items()]
    return ", or ".join(bodies) or "none"


def _such_as(schema: dict[str, Json]) -> str:
    examples = sequence(schema.get("examples"))
    return ", ".join(f"`{each if isinstance(each, str) else json.dumps(each)}`" for each in examples)


def _json_block(value: Json) -> str:
    short = json.dumps(value, ensure_ascii=False)
    return f"```json\n{short if len(short) <= 88 else json.dumps(value, ensure_ascii=False, indent=2)}\n```"


def _size(size: int) -> str:
    return f"{size // 2**20} MiB ({size:,} bytes)"


def _duration(seconds: int) -> str:
    size, unit = next(each for each in _UNITS if seconds % each[0] == 0)
    return f"{seconds // size:,} {unit}{'s' * (seconds != size)}"
