"""The rules of schemas and parameters: what the generated code does not follow is refused, not dropped."""

from typing import Final

from openapi_python_client import strings

from scripts.spec_document import Json, Operation, Pointer, SpecDocument, mapping, parse_reference, sequence
from scripts.spec_rules import BOUNDS, SCHEMAS, Found, names_properties, types, without_data
from scripts.wire_module import RESERVED_HEADERS

BESIDE_REFERENCES: Final = frozenset(
    {
        *("$ref", "$comment", "title", "summary", "description", "example", "examples", "externalDocs", "deprecated"),
        *("readOnly", "writeOnly"),
    }
)
"""Keywords that may stand beside a reference, since they change no value."""
FOLLOWED: Final = BESIDE_REFERENCES | {
    *("type", "format", "enum", "properties", "required", "additionalProperties", "items", "allOf", "anyOf", "oneOf"),
    *(*BOUNDS, "$defs", "contentMediaType", "contentEncoding"),
    *("default", "const"),  # refused with reasons of their own
}
"""The keywords of schemas that something of the project follows, checks or reports."""
ADVICE: Final = {
    "nullable": "write `type: [..., 'null']`, as OpenAPI 3.1 has it",
    "discriminator": "alternatives are read in their order: give each a required field that those after it lack",
}
DEFAULT_STYLES: Final = {"path": ("simple", False), "query": ("form", True), "header": ("simple", False)}
"""The style of parameters that the generated code writes, and whether it repeats the name for each item."""


def schema_rules(spec: SpecDocument) -> Found:
    """Report the parts of schemas and parameters that no code would be made from."""
    for pointer, value in without_data(spec):
        if _is_schema(pointer):
            yield from _rules_of_schemas(pointer, value)
        elif pointer[-2:-1] == ("content",) and not names_properties(pointer[:-2]) and "encoding" in mapping(value):
            yield (*pointer, "encoding"), "a client sends JSON alone, which has no `encoding`: remove it"
    for operation in spec.client_operations():
        yield from _rules_of_parameters(spec, operation)


def _rules_of_schemas(pointer: Pointer, value: Json) -> Found:
    if isinstance(value, bool):
        if pointer[-1:] != ("additionalProperties",):
            word = str(value).lower()
            yield pointer, f"the generator reads no schema `{word}`: write `{{}}` for any JSON, or remove it"
        return
    schema = mapping(value)
    reference = parse_reference(str(schema.get("$ref", "")))
    if reference is not None and reference[:-1] != SCHEMAS:
        yield (*pointer, "$ref"), "the generator reads no part of a schema: make it one of components/schemas"
    for keyword in schema:
        if keyword.startswith("x-") or keyword in (FOLLOWED if reference is None else BESIDE_REFERENCES):
            continue
        beside = "" if reference is None else " beside a reference"
        advice = ADVICE.get(keyword, "correct it, or remove it and say in the description what it means")
        yield (*pointer, keyword), f"the generated code does not follow `{keyword}`{beside}: {advice}"
    yield from _rules_of_members(pointer, schema)


def _rules_of_members(pointer: Pointer, schema: dict[str, Json]) -> Found:
    if "title" in schema and _is_class(schema) and not _is_own_name(pointer, str(schema["title"])):
        yield (*pointer, "title"), "a `title` would name the Python class: say it in the description"
    if "array" in types(schema) and "items" not in schema:
        yield (*pointer, "type"), "an array needs `items`: write `items: {}` for any JSON"
    if "properties" in schema and "allOf" not in schema and pointer[-2:-1] != ("allOf",):
        for name in sequence(schema.get("required")):
            if name not in mapping(schema["properties"]):
                yield (*pointer, "required"), f"{name!r} is required and not a property: describe it, or remove it"


def _rules_of_parameters(spec: SpecDocument, operation: Operation) -> Found:
    for place in spec.parameters(operation):
        parameter = mapping(spec.find(place))
        name, where = str(parameter.get("name")), str(parameter.get("in"))
        if "content" in parameter:
            yield (*place, "content"), f"the generator drops a parameter with `content`: give {name!r} a `schema`"
        style, explode = DEFAULT_STYLES.get(where, ("form", True))
        several = "schema" in parameter and not _is_scalar(mapping(spec.find(spec.follow((*place, "schema")))))
        for keyword, known in {"style": style, "explode": explode, "allowReserved": False}.items():
            if parameter.get(keyword, known) != known and (several or keyword != "explode"):
                told = f"the generated code writes {name!r} with `{keyword}: {str(known).lower()}`"
                yield (*place, keyword), f"{told}: it follows no other, remove it"
        if where == "header" and name.lower() in RESERVED_HEADERS:
            yield (*place, "name"), f"a client writes the header {name} itself: it cannot be a parameter"


def _is_class(schema: dict[str, Json]) -> bool:
    """Return True if the generator makes a class of a schema."""
    return "object" in types(schema) or not schema.keys().isdisjoint({"enum", "properties", "allOf"})


def _is_own_name(pointer: Pointer, title: str) -> bool:
    return pointer[:-1] == SCHEMAS and strings.ClassName(title, "") == strings.ClassName(str(pointer[-1]), "")


def _is_scalar(schema: dict[str, Json]) -> bool:
    return {"string", "integer", "number", "boolean", "null"}.issuperset(types(schema))


def _is_schema(pointer: Pointer) -> bool:
    if pointer[:-1] == SCHEMAS or names_properties(pointer[:-1]):
        return True
    match pointer:
        case (*_, "anyOf" | "oneOf" | "allOf" | "$defs", _):
            return not names_properties(pointer[:-2])
        case (*above, "schema" | "items" | "additionalProperties"):
            return not names_properties(tuple(above))
        case _:
            return False
