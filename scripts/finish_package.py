"""Finish what the generator has written: the steps that its options do not offer.

Each step changes text that the pinned generator is known to write, and fails if it finds nothing to change.
"""

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from openapi_python_client import strings
from openapi_python_client.parser.openapi import Endpoint

from scripts.spec_document import SpecDocument, mapping
from scripts.spec_rules import sent_schemas, webhook_schemas
from scripts.wire_module import python_name

TIMEOUT_SECONDS: Final = 30.0
"""The default timeout of the generated client, which has none by itself."""

READ_ERROR: Final = '''

def read_error(response: httpx.Response) -> Any:
    """Return the JSON object of an error response, or its text as the message of one."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {ERROR_MESSAGE_KEYS[0]: response.text}
'''

READ_DATE_TIME: Final = '''

def read_date_time(text: str) -> datetime.datetime:
    """Read a timestamp in any form of ISO 8601."""
    from dateutil.parser import isoparse  # noqa: PLC0415 -- hardly any process needs it

    return isoparse(text)
'''

LAZY_HTTPX: Final = '''"""httpx, imported at its first use: building requests and reading bodies do not need it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx import AsyncClient as AsyncClient
    from httpx import Client as Client
    from httpx import Response as Response
    from httpx import Timeout as Timeout
else:

    def __getattr__(name: str) -> object:
        import httpx  # noqa: PLC0415 -- slow to import

        return getattr(httpx, name)
'''

LAZY_MODELS: Final = '''
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the module of a model at its first use: each of them costs about a millisecond."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        model = globals()[name] = getattr(import_module(f".{module}", __name__), name)
        return model

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
'''

WEBHOOKS: Final = '''"""The bodies that the service posts to webhooks, by operation."""

from typing import TypeAlias

from . import models

'''

DEPRECATED_FIELD: Final = """
    @property
    @deprecated({reason!r}, category=None)
    def {name}(self) -> {type}:
        return self._{name}
"""
DEPRECATED_SETTER: Final = """
    @{name}.setter
    @deprecated({reason!r}, category=None)
    def {name}(self, value: {type}) -> None:
        self._{name} = value
"""


class FinishError(Exception):
    """The generator has written something else than a step expects."""


def finish(package: Path, spec: SpecDocument, endpoints: Iterable[Endpoint]) -> None:
    """Change a generated package in place; a formatter has to follow.

    Args:
        package: Its folder.
        spec: The specification that it was generated from.
        endpoints: The operations as the generator has parsed them, for the types of responses.

    Raises:
        FinishError: A step finds nothing to change.
    """
    _harden_client(package)
    _read_date_times(package, spec)
    _finish_models(package)
    _load_models_lazily(package / "models" / "__init__.py")
    for endpoint in endpoints:
        path = package / "api" / endpoint.tags[0] / f"{endpoint.name}.py"
        path.write_text(_finished_operation(path, endpoint), encoding="utf-8")
        _load_httpx_lazily(path, "...")
    for folder in {path.parent for path in package.glob("api/*/*.py")}:
        _list_members(folder)
    _deprecate(package, spec)
    _import_models_once(package)
    (package / "webhooks.py").write_text(WEBHOOKS + "\n".join(_webhook_bodies(spec)) + "\n", encoding="utf-8")


def _harden_client(package: Path) -> None:
    """Show no secret, send the key as the specification says, end each request, and survive any error response."""
    client = package / "client.py"
    _replace(client, r"^import httpx$", "import httpx\nfrom .wire import API_KEY_HEADER, API_KEY_PREFIX")
    _load_httpx_lazily(client, ".")
    _replace(client, r"^    token: str$", "    token: str = field(repr=False)")
    _replace(client, r"(_(?:headers|cookies|httpx_args): .* = field\()", r"\1repr=False, ", 6)
    _replace(client, r"(_timeout: .* = field\()default=None", rf"\1factory=lambda: httpx.Timeout({TIMEOUT_SECONDS})", 2)
    _replace(client, r'^    prefix: str = "Bearer"$', "    prefix: str = API_KEY_PREFIX.strip()")
    _replace(client, r'^    auth_header_name: str = "Authorization"$', "    auth_header_name: str = API_KEY_HEADER")
    _replace(package / "types.py", r"^    status_code: HTTPStatus$", "    status_code: int")
    errors = package / "errors.py"
    imports = "from typing import Any\n\nimport httpx\n\nfrom .wire import ERROR_MESSAGE_KEYS"
    _replace(errors, r'\A(""".*?""")', rf"\1\n\n{imports}")
    _replace(errors, r"^__all__ = ", f"{READ_ERROR}\n\n__all__ = ")
    _load_httpx_lazily(errors, ".")
    (package / "lazy_httpx.py").write_text(LAZY_HTTPX, encoding="utf-8")


def _load_httpx_lazily(path: Path, dots: str) -> None:
    _replace(path, r"^import httpx$", f"from {dots} import lazy_httpx as httpx")
    _replace(path, r"\A((?:.*\n)*?)(?=from |import )", r"\1from __future__ import annotations\n")


def _load_models_lazily(path: Path) -> None:
    """Import a model at its first use, as `LAZY_MODELS` says; type checkers see the imports."""
    source = path.read_text(encoding="utf-8")
    imports = re.findall(r"^from \.(\w+) import (\w+)$", source, re.MULTILINE)
    if not imports or len(imports) != source.count("import "):
        raise FinishError("models/__init__.py no longer imports each model by a line of its own")
    places = ", ".join(f"{name!r}: {module!r}" for module, name in imports)
    indented = re.sub(r"^from ", "    from ", source, flags=re.MULTILINE)
    head, _, rest = indented.partition("    from ")
    head += "from importlib import import_module\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from "
    path.write_text(f"{head}{rest}\n_MODULES = {{{places}}}\n{LAZY_MODELS}", encoding="utf-8")


def _read_date_times(package: Path, spec: SpecDocument) -> None:
    """Read each timestamp with dateutil, which takes more forms than the standard library."""
    stock = re.compile(r"datetime\.datetime\.fromisoformat\(")
    modules = [path for path in package.rglob("*.py") if stock.search(path.read_text(encoding="utf-8"))]
    wanted = any(
        pointer[-1:] == ("format",) and pointer[:2] == ("components", "schemas") and value == "date-time"
        for pointer, value in spec.walk()
    )
    if wanted != bool(modules):
        raise FinishError("the generator no longer reads a date-time with `datetime.datetime.fromisoformat`")
    for path in modules:
        _replace(path, stock.pattern, "read_date_time(")
        _replace(path, r"^(from \.+types import .*)$", r"\1, read_date_time")
    _replace(package / "types.py", r"^(from collections)", r"import datetime\n\1")
    _replace(package / "types.py", r"^__all__ = \[", f"{READ_DATE_TIME}\n\n__all__ = ['read_date_time', ")


def _finish_models(package: Path) -> None:
    """Take fields by name, since their order means nothing, and give a new model a name that no field has."""
    for path in package.glob("models/*.py"):
        name, source = path.stem, path.read_text(encoding="utf-8")
        if "@_attrs_define" in source:
            _replace(path, r"^@_attrs_define$", "@_attrs_define(kw_only=True)")
        if re.search(rf"^        {name} = cls\($", source, re.MULTILINE):
            _replace(path, rf"^(        (?:return )?){name}( = cls\($|\.additional_properties = |$)", r"\1_model\2", 3)


def _import_models_once(package: Path) -> None:
    """Import what a model refers to after its class, and not in each call: models may refer to each other."""
    pattern = re.compile(r"^ {8}(from \.\.models\.\w+ import \w+).*\n", re.MULTILINE)
    moved = 0
    for path in package.glob("models/*.py"):
        source = path.read_text(encoding="utf-8")
        if imports := sorted(set(pattern.findall(source))):
            moved += 1
            block = textwrap.indent("\n".join(imports), "    ")
            path.write_text(f"{pattern.sub('', source)}\n\nif not TYPE_CHECKING:\n{block}\n", encoding="utf-8")
    references = any("    from ..models." in path.read_text(encoding="utf-8") for path in package.glob("models/*.py"))
    if references and not moved:
        raise FinishError("the generated models no longer import each other in their methods")


def _finished_operation(path: Path, endpoint: Endpoint) -> str:
    """Add a reader of successful responses alone, and let error responses have any body."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    parse = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "_parse_response")
    branches = [node for node in getattr(parse, "body", []) if isinstance(node, ast.If)]
    readers: list[str] = []
    types: set[str] = set()
    for response, branch in zip(endpoint.responses.patterns, branches, strict=False):
        block = slice(branch.body[0].lineno - 1, branch.body[-1].end_lineno)
        if response.status_code.range is None or response.status_code.range[0] // 100 != 2:
            lines[block] = [line.replace("response.json()", "errors.read_error(response)") for line in lines[block]]
            continue
        body = textwrap.dedent("\n".join(lines[block])).replace("response.json()", "data")
        is_empty = "cast(Any, None)" in body
        types.add("None" if is_empty else response.prop.get_type_string().as_unembedded_code())
        body = body.replace("cast(Any, None)", "None")
        condition = ast.unparse(branch.test).replace("response.status_code", "status_code")
        readers.append(body if not readers else f"if {condition}:\n{textwrap.indent(body, '    ')}")
    if not readers:
        raise FinishError(f"{endpoint.name} describes no successful response")
    body = textwrap.indent("\n".join([*readers[1:], readers[0]]), "    ")
    reader = f"""

def _read_success(status_code: int, data: Any) -> {" | ".join(sorted(types))}:
    \"\"\"Read the decoded body of a successful response.\"\"\"
{body}
"""
    return "\n".join(lines).replace("HTTPStatus(response.status_code)", "response.status_code") + reader


def _webhook_bodies(spec: SpecDocument) -> Iterator[str]:
    for place in webhook_schemas(spec):
        name = strings.ClassName(str(mapping(spec.find(place[:3]))["operationId"]), "")
        yield f"{name}: TypeAlias = models.{strings.ClassName(str(spec.follow(place)[-1]), '')}"


def _list_members(folder: Path) -> None:
    """Import the modules of a package in it: mypy's cache then notices one that comes or goes."""
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    listed = ", ".join(names)
    (folder / "__init__.py").write_text(f"from . import {listed}\n\n__all__ = {tuple(names)!r}\n", encoding="utf-8")


def _deprecate(package: Path, spec: SpecDocument) -> None:
    """Mark what the specification deprecates, for type checkers; the facade warns at run time."""
    sent = {pointer[:3] for operation in spec.client_operations() for pointer, _ in sent_schemas(spec, operation)}
    for pointer, value in spec.walk():
        if pointer[-1:] != ("deprecated",) or value is not True:
            continue
        match pointer:
            case ("paths", str(), str(), _):
                described = mapping(spec.find(pointer[:-1]))
                name = python_name(str(described["operationId"]))
                (path,) = package.glob(f"api/*/{name}.py")
                mark = f'@deprecated("The operation `{name}` will be removed from the API.", category=None)\n'
                _replace(path, r"^((?:async )?def (?:_get_kwargs|(?:sync|asyncio)(?:_detailed)?)\()", rf"{mark}\1", 3)
            case ("components", "schemas", str() as schema, "properties", str() as key, _):
                path = package / "models" / f"{strings.snake_case(schema)}.py"
                # mypy does not point at reads of a property that can be set: only what is sent can be.
                _deprecate_field(path, python_name(key), is_sent=pointer[:3] in sent)
            case ("components", "schemas", str() as schema, _):
                path = package / "models" / f"{strings.snake_case(schema)}.py"
                mark = f'@deprecated("The schema `{schema}` will be removed from the API.", category=None)\n'
                if not path.is_file():  # an array has no class
                    continue
                _replace(path, r"^((?:@_attrs_define.*\n)?class )", rf"{mark}\1")
            case _:
                continue
        _replace(path, r"^(from (?:typing|enum) import )", r"from typing_extensions import deprecated\n\1")


def _deprecate_field(path: Path, name: str, *, is_sent: bool) -> None:
    declared = re.search(rf"^    {name}: (.*?)( = UNSET)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
    if declared is None:
        raise FinishError(f"{path.name} declares no field {name}")
    default = "default=UNSET, " if declared[2] else ""
    _replace(path, rf"^    {name}: (.*?)( = UNSET)?$", rf'    _{name}: \1 = _attrs_field({default}alias="{name}")')
    _replace(path, rf"\bself\.{name}\b", f"self._{name}")
    reason = f"The field `{name}` will be removed from the API."
    added = f"{DEPRECATED_FIELD}{DEPRECATED_SETTER if is_sent else ''}"
    added = added.format(name=name, type=declared[1], reason=reason)
    path.write_text(path.read_text(encoding="utf-8") + added, encoding="utf-8")


def _replace(path: Path, pattern: str, replacement: str, least: int = 1) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count < least:
        raise FinishError(f"{path.name} has {count} times what is known as `{pattern}`, not {least} times")
    path.write_text(text, encoding="utf-8")
