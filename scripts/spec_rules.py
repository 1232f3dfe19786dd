"""The rules that the specification is written by, beyond OpenAPI: see the comment at its top.

Most of them keep out what the generated code would get wrong or drop in silence.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from openapi_python_client import strings

from scripts.spec_document import (
    BUDGET,
    BUDGETS,
    CONSTANTS,
    DEFAULT,
    MAX_BYTES,
    UNIT,
    Json,
    Operation,
    Pointer,
    SpecDocument,
    mapping,
    sequence,
    show,
)
from scripts.wire_module import NO_BUDGET, named_constants, python_name

OPEN_ENUM_PREFIX: Final = "Known"
"""The prefix of enums, all of which the service may extend."""

BOUNDS: Final = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "multipleOf", "pattern"),
    "uniqueItems",
)
SUFFIXES: Final = {"milliseconds": "_MS", "seconds": "_SECONDS"}
"""The end of a constant's name, by what it counts."""
RESERVED_FIELDS: Final = frozenset(
    {
        *("d", "cls", "src_dict", "field_dict", "cast", "read_date_time", "deprecated"),
        *("additional_properties", "additional_keys", "to_dict", "from_dict"),
    }
)
RESERVED_PARAMETERS: Final = frozenset({"body", "cookies", "headers", "kwargs", "params", "quote", "response"})
RESERVED_CLASSES: Final = frozenset(
    {
        *("Any", "AuthenticatedClient", "BytesIO", "Client", "Enum", "File", "FileTypes", "HTTPStatus", "HttpStatus"),
        *("IntEnum", "Literal", "Mapping", "Response", "StrEnum", "T", "TypeVar", "UNSET", "UUID", "Unset"),
    }
)
"""Names that the generated code uses itself, beside those that the generator knows."""

OUTPUT_KEY: Final = "x-runpod-output-key"
FINAL: Final = "x-runpod-final"
RUNNING: Final = "x-runpod-running"
EXTENSIONS: Final = frozenset({CONSTANTS, BUDGET, BUDGETS, MAX_BYTES, DEFAULT, UNIT, "x-runpod-delivery-attempts"})
"""The extensions that need no constant of their own."""

SCHEMAS: Final[Pointer] = ("components", "schemas")

Found = Iterator[tuple[Pointer, str]]
"""Places and what is wrong there."""


def house_rules(spec: SpecDocument) -> Found:
    """Report what breaks the rules at the top of the file, most of which the generated code would get wrong."""
    for pointer, value in described(spec):
        yield from _rules_of_values(pointer, value)
        yield from _rules_of_enums(spec, pointer, value)
        yield from _rules_of_extensions(pointer, value)
    for operation in spec.client_operations():
        yield from _rules_of_operations(spec, operation)
        yield from _unnamed_bounds(spec, operation)
    yield from _misnamed_constants(spec)
    yield from _rules_of_versions(spec)
    for place in webhook_schemas(spec):
        if spec.follow(place)[:-1] != SCHEMAS:
            yield place, "name the schema of what a webhook posts: refer to one of components/schemas"
    for index, tag in enumerate(sequence(spec.content.get("tags"))):
        base = mapping(tag).get("x-runpod-base-path")
        for operation in spec.client_operations() if base else ():
            is_of_tag = mapping(tag).get("name") in sequence(operation.content.get("tags"))
            if is_of_tag and not operation.path.startswith(f"{base}/"):
                reason = f"the path of {operation.name}, {operation.path}, does not begin with {base}"
                yield ("tags", index, "x-runpod-base-path"), reason


def _rules_of_versions(spec: SpecDocument) -> Found:
    version = str(mapping(spec.content.get("info")).get("version"))
    if not re.fullmatch(r"\d+\.\d+\.\d+([-+].+)?", version):
        yield ("info", "version"), f"the version must be three numbers, such as 1.2.3, not {version!r}"
    if "jsonSchemaDialect" in spec.content:
        yield ("jsonSchemaDialect",), "schemas are read as JSON Schema 2020-12, as OpenAPI 3.1 has it: remove the key"


def _rules_of_values(pointer: Pointer, value: dict[str, Json]) -> Found:
    if "default" in value and pointer[-1:] == ("responses",):
        reason = "a `default` response makes any unknown status parse as an error: name the statuses"
        yield (*pointer, "default"), reason
    elif "default" in value and not _is_variable(pointer):
        yield (*pointer, "default"), "a `default` would be sent with every request: write `x-runpod-default`"
    if "const" in value:
        yield (*pointer, "const"), "a `const` refuses every other value of the service: write a plain type"
    if "properties" in value and "type" not in value:
        yield (*pointer, "properties"), f"{show(pointer)} has properties and takes any JSON: write `type: object`"
    if "properties" in value and (value.keys() & {"anyOf", "oneOf"} or len(sequence(value.get("allOf"))) == 1):
        reason = f"the generated code drops properties beside the alternatives of {show(pointer)}"
        yield (*pointer, "properties"), f"{reason}: make them a schema, and one of two members of `allOf`"
    if "object" in types(value) and value.get("additionalProperties") is not True:
        reason = f"{show(pointer)} must tolerate unknown fields: write `additionalProperties: true`"
        yield (*pointer, "additionalProperties"), reason
    if "responses" in pointer and value.get("schema") == {}:
        yield (*pointer, "schema"), "an empty response schema parses as None: write `type: object` or name a property"


def _rules_of_enums(spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Found:
    is_open = pointer[:-1] == SCHEMAS and str(pointer[-1]).startswith(OPEN_ENUM_PREFIX)
    if "enum" in value and not is_open and not _is_variable(pointer):
        yield (*pointer, "enum"), f"the service may extend an enum: make it a schema named {OPEN_ENUM_PREFIX}..."
    reference = str(value.get("$ref"))
    is_safe = pointer[-2:-1] == ("anyOf",) and {"type": "string"} in sequence(spec.find(pointer[:-1]))
    if reference.startswith(f"#/components/schemas/{OPEN_ENUM_PREFIX}") and not is_safe:
        yield (*pointer, "$ref"), f"the service may extend {reference}: put it in `anyOf`, beside `type: string`"


def types(schema: dict[str, Json]) -> list[Json]:
    """Return the types that a schema allows by name."""
    given = schema.get("type")
    return given if isinstance(given, list) else [given]


def _is_variable(pointer: Pointer) -> bool:
    """Return True for a variable of a server's address."""
    return pointer[-2:-1] == ("variables",)


def _rules_of_operations(spec: SpecDocument, operation: Operation) -> Found:
    described = operation.content
    budgets: list[Json] = [NO_BUDGET, *mapping(spec.content.get(BUDGETS))]
    if described.get(BUDGET) not in budgets:
        known = ", ".join(map(str, budgets))
        yield (*operation.pointer, BUDGET), f"{BUDGET} must be one of {known}, not {described.get(BUDGET)!r}"
    body = spec.body(operation)
    for media_type in mapping(mapping(spec.find(body)).get("content")) if body else ():
        if media_type != "application/json":
            place: Pointer = (*body, "content", media_type)
            yield place, f"a client cannot send {media_type}: describe the body as application/json"
    for around in (operation.pointer[:-1], operation.pointer):
        if "servers" in mapping(spec.find(around)):
            yield (*around, "servers"), "a client has one server for all operations: describe it at the top"
    own = described.get("security")
    if own and own != spec.content.get("security"):
        reason = "a client authenticates each operation in the same way: leave the key out (`[]`), or change it for all"
        yield (*operation.pointer, "security"), reason
    yield from _unread_results(spec, operation)
    first = _first_parameter(next(spec.client_operations()))
    if _first_parameter(operation) != first:
        yield operation.pointer[:2], f"a client passes {first} first: this path must begin with it, too"


def _unread_results(spec: SpecDocument, operation: Operation) -> Found:
    """Report successful responses that are not JSON, or that differ in their schema."""
    schemas: list[Json] = []
    statuses = mapping(spec.find((*operation.pointer, "responses")))
    if not any(status.startswith("2") for status in statuses):
        yield (*operation.pointer, "responses"), f"{operation.name} describes no successful response"
    for status in statuses:
        response = spec.follow((*operation.pointer, "responses", status))
        content = mapping(mapping(spec.find(response)).get("content")) if status.startswith("2") else {}
        for media_type, described in content.items():
            place: Pointer = (*response, "content", media_type)
            schemas.append(mapping(described).get("schema"))
            if not re.match(r"application/(\S+\+)?json(;|$)", media_type):
                yield place, f"a client cannot read {media_type}: describe the result as application/json"
            elif schemas[-1] != schemas[0]:
                yield place, f"{operation.name} has two results: describe both by one schema, such as `anyOf`"


def _first_parameter(operation: Operation) -> str:
    return next(iter(re.findall(r"\{\w+\}", operation.path)), "")


def _rules_of_extensions(pointer: Pointer, value: dict[str, Json]) -> Found:
    """Report an extension that is unknown, or names a field or a value that is not there."""
    for keyword, given in value.items():
        if not keyword.startswith("x-runpod-") or keyword in EXTENSIONS:
            continue
        place: Pointer = (*pointer, keyword)
        if keyword not in mapping(value.get(CONSTANTS)):
            yield place, f"{keyword} has no effect: it is not known, and {CONSTANTS} beside it has no such key"
        yield from ((place, f"{keyword} {reason}") for reason in _unusable(keyword, given))
        if re.fullmatch("x-.*-keys?", keyword):
            is_list, known = keyword.endswith("s"), list[Json](mapping(value.get("properties")))
            yield from ((place, reason) for reason in _misnamed(keyword, given, known, "a property", is_list=is_list))
            if keyword == OUTPUT_KEY and given in sequence(value.get("required")):
                yield place, f"an output cannot be required: a client reads {given!r} as JSON of any type"
        elif "enum" in value:
            known = sequence(value["enum"])
            yield from ((place, reason) for reason in _misnamed(keyword, given, known, "a value of the enum"))
            if keyword == FINAL and given in ([], known):
                reason = "all values" if given else "no value, so that a client would wait forever"
                yield place, f"{keyword} names {reason}: name those after which nothing changes"
            both = [each for each in sequence(given) if each in sequence(value.get(FINAL))]
            if keyword == RUNNING and both:
                yield place, f"{keyword} names {both[0]!r}, which is in {FINAL} too: name it once"


def _unusable(keyword: str, given: Json) -> Iterator[str]:
    """Say why no code can use the value of an extension."""
    if re.search("-seconds$|-bytes$|-max-", keyword):
        if type(given) is not int or given <= 0:
            yield f"must be a whole number above 0, not {given!r}"
    elif keyword.endswith(("-headers", "-keys")):
        if not all(isinstance(each, str) and each for each in sequence(given) or [None]):
            yield f"must be a list of names, not {given!r}"
    elif keyword.endswith(("-prefix", "-separator", "-pattern", "-path")):
        if not isinstance(given, str) or not given:
            yield f"must be a string of at least one character, not {given!r}"
        elif keyword.endswith("-pattern"):
            try:
                re.compile(given)
            except re.error as error:
                yield f"is not a regular expression: {error}"


def _misnamed(keyword: str, given: Json, known: list[Json], what: str, *, is_list: bool = True) -> Iterator[str]:
    if isinstance(given, list) is not is_list:
        yield f"{keyword} must be {'a list' if is_list else 'one name'}"
    for unknown in (each for each in (given if isinstance(given, list) else [given]) if each not in known):
        yield f"{keyword} names {unknown!r}, which is not {what}"


def _unnamed_bounds(spec: SpecDocument, operation: Operation) -> Found:
    """Report bounds of what a client sends that are no constants: the facade could not keep to them."""
    for pointer, value in sent_schemas(spec, operation):
        given = mapping(value)
        for bound in BOUNDS:
            if isinstance(given.get(bound), int | float | str) and bound not in mapping(given.get(CONSTANTS)):
                reason = f"a client must keep to the {bound} of what it sends: name a constant in {CONSTANTS} beside it"
                yield (*pointer, bound), reason


def _misnamed_constants(spec: SpecDocument) -> Found:
    """Report a constant without a value, or whose name says another unit: the facade relies on the name."""
    for name, place, source in named_constants(spec):
        beside, keyword = mapping(spec.find(source[:-1])), str(source[-1])
        if keyword not in beside and source[:2] != ("components", "headers"):  # their names are keys elsewhere
            yield source, f"{show(source)} is missing: write it, or remove its constant {name}"
        if isinstance(beside.get(keyword), int | float):
            unit = "seconds" if keyword.endswith("-seconds") else str(beside.get(UNIT))
            suffix = SUFFIXES.get(unit, "")
            if not name.endswith(suffix) or (not suffix and name.endswith(tuple(SUFFIXES.values()))):
                told = f"counts {unit}: its name must end in {suffix}" if suffix else f"has no {UNIT} beside its value"
                yield place, f"the constant {name} {told}"


def webhook_schemas(spec: SpecDocument) -> Iterator[Pointer]:
    """Yield the place of the schema of each body that the service posts."""
    for operation in spec.operations():
        if operation.is_webhook:
            yield (*operation.pointer, "requestBody", "content", "application/json", "schema")


def sent_schemas(spec: SpecDocument, operation: Operation) -> Iterator[tuple[Pointer, Json]]:
    """Yield every value of the parameters and the body of an operation, references followed."""
    left = [*spec.parameters(operation), *filter(None, [spec.body(operation)])]
    seen: set[Pointer] = set()
    while left:
        start = spec.follow(left.pop())
        if start not in seen:
            seen.add(start)
            for pointer, value in without_data(spec, start):
                if "$ref" in mapping(value):
                    left.append(pointer)
                else:
                    yield pointer, value


def names(spec: SpecDocument) -> Found:
    """Report names that become the same in Python, or that the generated code uses itself."""
    for pointer, value in without_data(spec):
        if pointer[-1:] == ("properties",) and names_properties(pointer):
            fields = {key: python_name(key) for key in mapping(value)}
            loops = {f"{name}_item{rest}" for name in fields.values() for rest in ("", "_data")}
            yield from _collisions(pointer, fields, RESERVED_FIELDS | loops)
        if isinstance(mapping(value).get("enum"), list) and not _is_variable(pointer):
            yield from _unusual_values(pointer, mapping(value))
            values = [each for each in sequence(mapping(value)["enum"]) if isinstance(each, str) and each[:1].isalpha()]
            members = {each: strings.snake_case(each) for each in values}
            yield from _collisions((*pointer, "enum"), members, frozenset())
    classes: dict[str, str] = {key: strings.ClassName(key, "") for key in mapping(spec.find(SCHEMAS))}
    yield from _collisions(SCHEMAS, classes, RESERVED_CLASSES)
    for operation in spec.client_operations():
        seen: dict[tuple[str, str], str] = {}
        for place in spec.parameters(operation):
            parameter = mapping(spec.find(place))
            name = str(parameter.get("name"))
            key = str(parameter.get("in")), python_name(name)
            if seen.setdefault(key, name) != name:
                yield (*place, "name"), f"{name!r} and {seen[key]!r} are both called {key[1]!r} in Python"
            if python_name(name) in RESERVED_PARAMETERS:
                yield (*place, "name"), f"the generated code uses the name {name!r} itself: it cannot be a parameter's"


def _unusual_values(pointer: Pointer, schema: dict[str, Json]) -> Found:
    values = sequence(schema["enum"])
    if not values or types(schema) not in (["string"], [None]):
        yield (*pointer, "enum"), "an enum needs values that are strings, beside `type: string`"
    for index, value in enumerate(values):
        if not isinstance(value, str) or value in values[:index]:
            yield (*pointer, "enum", index), f"the values of an enum must be different strings, see {value!r}"


def _collisions(pointer: Pointer, spelled: dict[str, str], reserved: Iterable[str]) -> Found:
    taken: dict[str, str] = {}
    for key, name in spelled.items():
        if name in reserved:
            yield (*pointer, key), f"the generated code uses the name {name!r} itself: {key!r} cannot be read or sent"
        elif name in taken:
            yield (*pointer, key), f"{key!r} and {taken[name]!r} are both called {name!r} in Python"
        taken[name] = key


def described(spec: SpecDocument) -> Iterator[tuple[Pointer, dict[str, Json]]]:
    """Yield every mapping of the document proper whose keys are keywords."""
    for pointer, value in without_data(spec):
        if isinstance(value, dict) and not names_properties(pointer):
            yield pointer, value


def without_data(spec: SpecDocument, start: Pointer = ()) -> Iterator[tuple[Pointer, Json]]:
    """Yield every value of the document proper from a place: the inside of an example or an extension is data."""
    for pointer, value in spec.walk(start):
        if not any(_is_data(pointer[:depth], str(key)) for depth, key in enumerate(pointer)):
            yield pointer, value


def _is_data(parent: Pointer, key: str) -> bool:
    return (key in {"example", "examples"} or key.startswith("x-")) and not names_properties(parent)


def names_properties(pointer: Pointer) -> bool:
    """Check whether the keys of the mapping at this place are names that the API chose."""
    return pointer[-1:] == ("properties",) and pointer[-2:-1] != ("properties",)
