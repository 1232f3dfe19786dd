"""The walls of the house: which module may import what.

Arrows run down only: shells, then `_core`, then the generated package. `runpod_typed/local` is another house.
`LAYERS` says which of our own modules a module may reach, `WALLS` who may use a library.
"""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.source import PACKAGE, Import, Module, imports, modules, stands_in


class Layer(NamedTuple):
    """Modules that stand on the same floor, and what they may import of ours (their own kind included)."""

    places: tuple[str, ...]
    may: tuple[str, ...]
    may_for_types: tuple[str, ...] = ()


_BELOW = ("runpod_typed._version", "runpod_typed.errors")
_CORE = ("runpod_typed._core", *_BELOW)
_UNDER_SHELLS = ("runpod_typed._fast_sender", "runpod_typed._network", "runpod_typed._synchronization", *_CORE)

LAYERS = (
    Layer(("_version.py",), ()),
    # Errors carry jobs and states; they name those types and never import them.
    Layer(("errors.py",), _BELOW, ("runpod_typed._async", "runpod_typed._sync", "runpod_typed._core")),
    Layer(("_core/",), _CORE),
    Layer(("_synchronization.py",), _CORE),
    Layer(("_fast_sender.py", "_network.py"), _UNDER_SHELLS, ("runpod_typed._async", "runpod_typed._sync")),
    Layer(("_async/",), ("runpod_typed._async", *_UNDER_SHELLS)),
    Layer(("_sync/",), ("runpod_typed._sync", *_UNDER_SHELLS)),
    Layer(("webhooks.py",), _CORE),
    Layer(("local/",), ("runpod_typed.local",)),
    Layer(("__init__.py",), ("runpod_typed._async", "runpod_typed._sync", *_UNDER_SHELLS)),
)


class Wall(NamedTuple):
    """A library, or a part of one, that only some modules may import."""

    library: str
    doors: tuple[str, ...]
    reason: str


_TRANSPORT = (
    "_async/connections.py",
    "_async/senders.py",
    "_async/transport.py",
    "_fast_sender.py",
    "_network.py",
    "_sync/connections.py",
    "_sync/senders.py",
    "_sync/transport.py",
)

_HTTP_CLIENT = ("_async/caller.py", "_async/client.py", "_sync/caller.py", "_sync/client.py")
"""Where `http_client=` comes in and passes through: the one place where httpx shows."""

WALLS = (
    Wall("runpod_queue_api", ("_core/",), "generated models stay within _core"),
    Wall("runpod_queue_api.api", ("_core/operations.py",), "the seam is the only user of generated operations"),
    Wall(
        "runpod_queue_api.wire", ("_core/", "local/"), "limits and prefixes are for decisions, which are made in _core"
    ),
    Wall(
        "httpx",
        (*_TRANSPORT, *_HTTP_CLIENT, "_core/error_mapping.py", "local/"),
        "the transport and the error mapping alone know httpx",
    ),
    Wall(
        "httpcore", (*_TRANSPORT, "_core/error_mapping.py"), "the transport and the error mapping alone know httpcore"
    ),
    Wall("aiohttp", (*_TRANSPORT, "_core/error_mapping.py"), "the transport and the error mapping alone know aiohttp"),
    Wall("httpx_aiohttp", _TRANSPORT, "an extra that the transport alone asks for"),
    Wall("msgspec", ("_core/json.py", "_core/msgspec_codec.py"), "two modules read and write JSON with it"),
    Wall("pydantic_core", ("_core/pydantic_codec.py",), "an extra that its codec alone asks for"),
    Wall("pydantic", ("_core/pydantic_codec.py",), "an extra that its codec alone asks for"),
    Wall("anyio", ("_synchronization.py", "local/"), "the twins of _synchronization stand for it"),
    Wall("starlette", ("local/",), "an extra of the local queue"),
    Wall("uvicorn", ("local/",), "an extra of the local queue"),
    Wall("runpod", (), "the worker SDK is another program, and the other client another library"),
)
"""Where several match, the most specific counts."""

_CLOCKS_AND_THREADS = ("asyncio", "concurrent", "multiprocessing", "sniffio", "threading", "time", "trio")

FORBIDDEN = {
    "_async/": _CLOCKS_AND_THREADS,
    "_sync/": _CLOCKS_AND_THREADS,
    "_core/": (*_CLOCKS_AND_THREADS, "http.client", "random", "select", "selectors", "socket", "ssl", "subprocess"),
    "local/_engine/": (*_CLOCKS_AND_THREADS, "random", "socket", "subprocess"),
}
"""Libraries with no place: shells go through `_synchronization`; decisions are given the time and the dice."""

HARMLESS = frozenset({"random.Random", "threading.Lock"})
"""What of them may be used: a type to be given, and a lock around what threads share."""

_NOW = frozenset({"now", "today", "utcnow"})


def layer_of(module: Module, layers: Sequence[Layer] = LAYERS) -> Layer | None:
    """The floor that a module stands on."""
    return next((layer for layer in layers if any(stands_in(module.path, place) for place in layer.places)), None)


def violations(package: Path) -> list[str]:
    """Every import, and every look at a clock, that goes through a wall."""
    return [
        f"{package.name}/{module.path}:{line}: {reason}"
        for module in modules(package)
        for line, reason in sorted({*_wrong_layer(module), *_through_walls(module), *_clocks(module)})
    ]


def _wrong_layer(module: Module) -> Iterator[tuple[int, str]]:
    layer = layer_of(module)
    if layer is None:
        yield 1, "stands on no floor: say in LAYERS what it may import"
        return
    for item in imports(module):
        may = layer.may + (layer.may_for_types if item.for_types else ())
        if item.reaches("runpod_typed") and not any(item.reaches(name) for name in may):
            yield item.line, f"imports {item.target}: arrows run down only"


def _through_walls(module: Module) -> Iterator[tuple[int, str]]:
    for item in imports(module):
        wall = _wall_of(item)
        if wall and not any(stands_in(module.path, door) for door in wall.doors):
            yield item.line, f"imports {item.target}: {wall.reason}"
        for place, names in FORBIDDEN.items():
            banned = any(item.reaches(name) for name in names) and item.target not in HARMLESS
            if banned and stands_in(module.path, place):
                yield item.line, f"imports {item.target}: no clock, dice, threads or connections of its own"


def _wall_of(item: Import) -> Wall | None:
    return max((wall for wall in WALLS if item.reaches(wall.library)), key=lambda wall: len(wall.library), default=None)


def _clocks(module: Module) -> Iterator[tuple[int, str]]:
    """Calls of `datetime.now()` and the like where decisions are made."""
    if not any(stands_in(module.path, place) for place in ("_core/", "local/_engine/")):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _NOW:
            yield node.lineno, f"calls {ast.unparse(node.func)}(): the time is an argument"


def test_every_module_keeps_to_its_floor_and_walls() -> None:
    assert violations(PACKAGE) == []


def test_there_is_something_to_keep_apart() -> None:
    paths = {module.path for module in modules()}
    assert paths >= {"_core/operations.py", "_async/client.py", "_sync/client.py", "local/__init__.py", "__init__.py"}


def test_every_door_leads_to_a_module() -> None:
    paths = {module.path for module in modules()}
    places = {place for wall in WALLS for place in wall.doors} | FORBIDDEN.keys()
    places.update(place for layer in LAYERS for place in layer.places)
    assert [place for place in sorted(places) if not any(stands_in(path, place) for path in paths)] == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("_core/operations.py", "from runpod_queue_api.api.jobs import run"),
        ("_core/operations.py", "from runpod_queue_api import models, wire"),
        ("_core/jobs.py", "from runpod_queue_api.models import Job"),
        ("_core/jobs.py", "from runpod_typed._core.codecs import Codec"),
        ("_core/jobs.py", "from runpod_typed.errors import JobError"),
        ("_core/error_mapping.py", "import httpx"),
        ("_core/polling.py", "from random import Random"),
        ("_async/job.py", "from runpod_typed._core import jobs"),
        ("_async/job.py", "from runpod_typed._async.transport import AsyncTransport"),
        ("_async/job.py", "from . import transport"),
        ("_async/transport.py", "import httpx, httpcore"),
        ("_async/client.py", "import httpx"),
        ("_core/waiting_room.py", "from threading import Lock"),
        (
            "errors.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from runpod_typed._sync.job import Job",
        ),
        ("_synchronization.py", "def f():\n    import anyio"),
        ("local/_app.py", "import starlette, uvicorn, anyio, asyncio, time\nfrom runpod_queue_api import wire"),
        ("local/_app.py", "from runpod_typed.local._engine import jobs"),
        ("__init__.py", "from runpod_typed._sync.client import Client"),
    ],
)
def test_what_the_design_allows_is_no_violation(tmp_path: Path, path: str, code: str) -> None:
    assert violations(tree(tmp_path, path, code)) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("_core/jobs.py", "from runpod_queue_api.api.jobs import run"),
        ("_core/jobs.py", "from runpod_queue_api import api"),
        ("_core/jobs.py", "from runpod_typed._async.job import AsyncJob"),
        (
            "_core/jobs.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from runpod_typed._sync.job import Job",
        ),
        ("_core/jobs.py", "from runpod_typed import Client"),
        ("_core/jobs.py", "import runpod_typed"),
        ("_core/jobs.py", "from .._sync import job"),
        ("_core/jobs.py", "import httpx"),
        ("_core/jobs.py", "def f():\n    from time import monotonic"),
        ("_core/jobs.py", "import asyncio.events"),
        ("_core/jobs.py", "from random import SystemRandom"),
        ("_core/jobs.py", "import random"),
        ("_core/jobs.py", "from random import random"),
        ("_core/jobs.py", "x = datetime.now(UTC)"),
        ("_core/retry.py", "import msgspec"),
        ("_core/retry.py", "from pydantic import BaseModel"),
        ("errors.py", "from runpod_typed._core.jobs import JobState"),
        ("errors.py", "from runpod_typed._async.job import AsyncJob"),
        ("_async/job.py", "from runpod_queue_api import models"),
        ("_async/job.py", "from runpod_queue_api.wire import SERVER_URL"),
        ("_async/job.py", "from runpod_typed._sync.job import Job"),
        ("_async/job.py", "from runpod_typed.local import LocalQueue"),
        ("_async/job.py", "import anyio"),
        ("_async/job.py", "import asyncio"),
        ("_async/job.py", "from time import sleep"),
        ("_async/job.py", "import httpx"),
        ("_sync/job.py", "import threading"),
        ("_core/jobs.py", "from threading import Thread"),
        ("_sync/job.py", "from runpod_typed._async.job import AsyncJob"),
        ("_sync/job.py", "from .._async.job import AsyncJob"),
        ("webhooks.py", "from runpod_typed._sync.job import Job"),
        ("local/_app.py", "from runpod_queue_api import models"),
        ("local/_app.py", "from runpod_queue_api.models.job import Job"),
        ("local/_app.py", "import runpod_queue_api"),
        ("local/_app.py", "from runpod_typed._core.jobs import JobStatus"),
        ("local/_app.py", "from runpod_typed.errors import JobError"),
        ("local/_app.py", "import runpod"),
        ("local/_engine/engine.py", "import time"),
        ("unheard_of.py", "x = 1"),
    ],
)
def test_what_goes_through_a_wall_is_named_with_file_and_line(tmp_path: Path, path: str, code: str) -> None:
    (told,) = violations(tree(tmp_path, path, code))
    assert told.startswith(f"{tmp_path.name}/{path}:{code.count(chr(10)) + 1}: ")


def tree(folder: Path, path: str, code: str) -> Path:
    """A package with one module."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(code, encoding="utf-8")
    return folder
