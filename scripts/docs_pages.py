"""Generated parts of pages, public names and readable signatures: `docs/conf.py` gives them to Sphinx."""

import enum
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, cast

import attrs

from scripts import http_reference
from scripts.spec_document import SpecDocument

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = ROOT / "spec" / "openapi.yaml"
NOTEBOOK: Final = ROOT / "examples" / "notebook.ipynb"
RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
PUBLIC_MODULES: Final = ("runpod_typed", "runpod_typed.errors", "runpod_typed.webhooks", "runpod_typed.local")

_CREATED_BY_ENDPOINTS: Final = frozenset(f"runpod_typed.{name}" for name in ("BatchRun", "Batches", "Job", "JobMap"))
_CONSTANT: Final = re.compile(r"\bDEFAULT_\w+")
_ATTRS_DEFAULT: Final = re.compile(r"attr_dict\['(?P<attribute>\w+)'\]\.default")
"""How an `__init__` that attrs wrote names a default."""


def http_api() -> str:
    """Return the reference of the HTTP API."""
    return http_reference.render(SpecDocument.load(SPEC))


def benchmarks() -> str:
    """Return the results of the benchmarks without their title: the page has one."""
    if not RESULTS.is_file():
        return "No measurements yet."
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("# ")).strip()


def notebook() -> str:
    """Return the cells of the example notebook, code in fences."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    shown = [text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in texts]
    return "\n\n".join(text for text in shown if not text.startswith("# "))


GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "http-api": http_api,
    "benchmarks": benchmarks,
    "recipes/notebook": notebook,
}
"""The text that replaces the line `<!-- name -->` of a page, by the page's name."""


def fill_in(text: str, *, page: str) -> str:
    """Return a page's text with its generated part.

    Raises:
        ValueError: The page has no line `<!-- name -->`.
    """
    if page not in GENERATED:
        return text
    place = f"<!-- {page} -->"
    if place not in text:
        raise ValueError(f"docs/{page}.md has no line {place}")
    return text.replace(place, GENERATED[page]())


@cache
def public_names() -> dict[str, str]:
    """Return the public name of everything, by its private one: `runpod_typed._sync.job.Job` is `runpod_typed.Job`."""
    names: dict[str, str] = {}
    for module in PUBLIC_MODULES:
        namespace = importlib.import_module(module)
        for name in namespace.__all__:
            thing: object = getattr(namespace, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                names.setdefault(f"{thing.__module__}.{thing.__qualname__}", f"{module}.{name}")
    return names


def public_name(target: str) -> str | None:
    """Return the public name of a reference's target, such as `runpod_typed._sync.job.Job` or `Job`, or None."""
    names = public_names()
    short = re.sub(r"^runpod_typed\._\w+\.", "", target)  # of a class that says it is from its public module
    name = names.get(target, f"runpod_typed.{short}")
    return name if name in names.values() and name != target else None


def translate_signature(name: str, signature: str | None) -> str | None:
    """Return the signature of a public name with numbers for constants; empty if users never call it."""
    if name in _CREATED_BY_ENDPOINTS:
        return ""
    if signature is None:
        return None
    signature = signature.replace("NOTHING", "...").replace("~httpx.", "httpx.")
    signature = _CONSTANT.sub(lambda match: _constant(name, match.group()), signature)
    return _ATTRS_DEFAULT.sub(lambda match: _attrs_default(name, match["attribute"]), signature)


def lead_with_example(name: str, lines: Sequence[str]) -> list[str]:
    """Return a docstring's lines with its example right below the summary; with the async one in a tab beside it."""
    code, rest = _take_example(lines)
    twin = _async_twin(name)
    if not code:
        return rest
    if twin is None:
        shown = _code_block(code)
    else:
        other, _ = _take_example((inspect.getdoc(twin) or "").splitlines())
        tabs = [*_tab("Sync", code), *_tab("Async", other)]
        shown = [".. tab-set::", "   :sync-group: api", "", *_indented(tabs)]
    summary = rest.index("") if "" in rest else len(rest)
    return [*rest[:summary], "", *shown, *rest[summary:]]


def _take_example(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the code of the section `Example:`, and the other lines."""
    if "Example:" not in lines:
        return [], list(lines)
    start = lines.index("Example:")
    after = (number for number in range(start + 1, len(lines)) if lines[number] and not lines[number].startswith(" "))
    end = next(after, len(lines))
    code = textwrap.dedent("\n".join(lines[start + 1 : end])).strip().removeprefix("::")
    code = textwrap.dedent(code).strip()
    return code.removeprefix("``").removesuffix("``").splitlines(), [*lines[:start], *lines[end:]]


def _async_twin(name: str) -> object | None:
    """Return the async counterpart of a public class or method of the sync API, or None."""
    counterpart = re.sub(
        r"^runpod_typed\.(BatchRun|Batches|Client|Endpoint|Job|JobMap)\b", r"runpod_typed.Async\1", name
    )
    counterpart = re.sub(r"^(runpod_typed\.Async\w+)\.close$", r"\1.aclose", counterpart)
    return None if counterpart == name else _find(counterpart)


def _tab(title: str, code: Sequence[str]) -> list[str]:
    return [f".. tab-item:: {title}", f"   :sync: {title.lower()}", "", *_indented(_code_block(code)), ""]


def _code_block(code: Sequence[str]) -> list[str]:
    return [".. code-block:: python", "", *_indented(code), ""]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"   {line}" if line else "" for line in lines]


def convert_fences(lines: Sequence[str]) -> list[str]:
    """Return a docstring's lines with the Markdown code fences, which editors show, as reStructuredText directives."""
    return re.sub(
        r"^( *)```(\w*)\n(.*?)\n *```$",
        lambda match: f"\n{match[1]}.. code-block:: {match[2] or 'text'}\n\n{textwrap.indent(match[3], '    ')}\n",
        "\n".join(lines),
        flags=re.DOTALL | re.MULTILINE,
    ).split("\n")


def _constant(name: str, constant: str) -> str:
    thing = _find(name)
    value: object = getattr(sys.modules[str(getattr(thing, "__module__", ""))], constant, constant)
    return f"{value:_}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _attrs_default(name: str, attribute: str) -> str:
    cls = _find(name)
    assert isinstance(cls, type)  # noqa: S101 -- only classes have fields
    default: object = attrs.fields_dict(cls)[attribute].default
    members = cast("tuple[object, ...]", default if isinstance(default, tuple) else ())
    if members and all(isinstance(member, enum.Enum) for member in members):
        return f"tuple({type(members[0]).__name__})"
    return f"{default!r}"


def _find(name: str) -> object:
    """Return the object of a public name, such as `runpod_typed.Client.endpoint`."""
    module = max((module for module in PUBLIC_MODULES if name.startswith(f"{module}.")), key=len)
    thing: object = importlib.import_module(module)
    for part in name.removeprefix(f"{module}.").split("."):
        thing = getattr(thing, part)
    return thing
