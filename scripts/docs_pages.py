"""What the site needs beside its pages: generated parts, public names for private modules, marked source lines.

`docs/conf.py` hands what is here to Sphinx, which this module does not know.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import attrs

from runpod_typed._core.config import DEFAULT_TIMEOUT
from runpod_typed._transport.connection import DEFAULT_MAX_RESPONSE_BYTES
from runpod_typed.local import FaultKind
from scripts import http_reference
from scripts.spec_document import SpecDocument

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = ROOT / "spec" / "openapi.yaml"
PUBLIC_MODULES: Final = ("runpod_typed", "runpod_typed.errors", "runpod_typed.webhooks", "runpod_typed.local")

RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"

SOURCE: Final = "Source: "

_MADE_BY_ENDPOINTS: Final = frozenset({"runpod_typed.Job", "runpod_typed.AsyncJob"})

_SHOWN_AS: Final[Mapping[str, str]] = {
    "DEFAULT_TIMEOUT": f"{DEFAULT_TIMEOUT:g}",
    "DEFAULT_MAX_RESPONSE_BYTES": f"{DEFAULT_MAX_RESPONSE_BYTES:_}",
    "NOTHING": "...",  # what attrs makes anew for each instance
    "~httpx.": "httpx.",  # shortened, its Client looks like ours
}

_ATTRS_DEFAULT: Final = re.compile(r"attr_dict\['(?P<attribute>\w+)'\]\.default")
"""How the source of an `__init__` that attrs wrote names a default."""


def http_api() -> str:
    """The HTTP API's reference."""
    return http_reference.render(SpecDocument.load(SPEC))


def benchmarks() -> str:
    """The results of the benchmarks, without their title: the page has one."""
    if not RESULTS.is_file():
        return "Nothing has been measured yet."
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("# ")).strip()


GENERATED: Final[Mapping[str, Callable[[], str]]] = {"http-api": http_api, "benchmarks": benchmarks}
"""What is written into a page in the place of its line `<!-- name -->`, by the page's name."""


def fill_in(text: str, *, page: str) -> str:
    """A page's text with its generated part.

    Args:
        text: The page as it was written.
        page: Its name; what is generated is for the page of the same name.

    Raises:
        ValueError: The page should have a generated part, and has no place for it.
    """
    if page not in GENERATED:
        return text
    place = f"<!-- {page} -->"
    if place not in text:
        raise ValueError(f"docs/{page}.md has no line {place}")
    return text.replace(place, GENERATED[page]())


@cache
def public_names() -> dict[str, str]:
    """The public name of each thing that is defined elsewhere: `runpod_typed._sync.job.Job` is `runpod_typed.Job`."""
    names: dict[str, str] = {}
    for module in PUBLIC_MODULES:
        namespace = importlib.import_module(module)
        for name in namespace.__all__:
            thing: object = getattr(namespace, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                names.setdefault(f"{thing.__module__}.{thing.__qualname__}", f"{module}.{name}")
    return names


def public_name(target: str) -> str | None:
    """How people import what a reference names; None where it is not public under another name.

    Args:
        target: What is referred to, such as ``runpod_typed._sync.job.Job`` or ``Job``.
    """
    names = public_names()
    if target in names and names[target] != target:
        return names[target]
    if target.partition(".")[0].isidentifier() and f"runpod_typed.{target}" in names.values():
        return f"runpod_typed.{target}"
    return None


def translate_signature(name: str, signature: str | None) -> str | None:
    """A signature as people read it: figures for constants, httpx named where it is meant, none for what nobody calls.

    Args:
        name: The public name that it belongs to.
        signature: The signature as it stands in the source.
    """
    if name in _MADE_BY_ENDPOINTS:
        return ""
    if signature is None:
        return None
    for text, shown in _SHOWN_AS.items():
        signature = signature.replace(text, shown)
    return _ATTRS_DEFAULT.sub(lambda match: _default(name, match["attribute"]), signature)


def _default(name: str, attribute: str) -> str:
    module, _, class_name = name.rpartition(".")
    default: object = attrs.fields_dict(getattr(importlib.import_module(module), class_name))[attribute].default
    return "tuple(FaultKind)" if default == tuple(FaultKind) else repr(default)


def mark_sources(lines: Sequence[str]) -> list[str]:
    """A docstring's lines, with its line on sources set apart."""
    return [f"*Source:* {line.removeprefix(SOURCE)}" if line.startswith(SOURCE) else line for line in lines]
