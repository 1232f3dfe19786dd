"""Settings of all tests: the tested package, the allowed hosts, Hypothesis and the environment."""

import gc
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import sysconfig
from collections.abc import Generator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Tests import each other's helpers as `tests.*`, and the programs under test as `scripts.*`. The repository comes last
# in the search, so that the package is the installed one, wherever the tests lie.
sys.path.append(str(ROOT))

# CI draws the same cases each time, so that a failure is due to the change. `--hypothesis-profile` selects another one.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("default")
settings.register_profile("quick", max_examples=15)
settings.register_profile("deep", max_examples=1000, derandomize=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--installed", action="store_true", help="fail unless the installed package is what is tested")


def pytest_configure(config: pytest.Config) -> None:
    # anyio below 4.16 leaves a socket to the garbage collector if a deadline ends at the moment it connects.
    if tuple(map(int, version("anyio").split(".")[:2])) < (4, 16):
        left = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
        config.addinivalue_line("filterwarnings", left)


def _package() -> Path | None:
    spec = importlib.util.find_spec("runpod_typed")
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def pytest_report_header() -> str:
    return f"runpod_typed: {_package()}"


def pytest_sessionstart(session: pytest.Session) -> None:
    # What runs in the background is started with Ctrl-C ignored; tests send it, here and to their own processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    package = _package()
    site = Path(sysconfig.get_path("purelib")).resolve()
    if session.config.getoption("--installed") and (package is None or not package.is_relative_to(site)):
        raise pytest.UsageError(f"runpod_typed comes from {package}, not from {site}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Hides what stays until the end from the garbage collector, which would look at it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if changing := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"an id with an address differs between workers; pass `ids=`: {changing[0]}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"", "localhost"}


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no test connects to another machine, through any library."""
    if event == "socket.connect":
        address = arguments[1]
        host = cast("tuple[object, ...]", address)[0] if isinstance(address, tuple) else None  # a path: this machine
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if isinstance(host, str) and not _is_loopback(host):
        raise RuntimeError(f"a test reached for {host!r}; tests talk to this machine alone")


sys.addaudithook(_loopback_only)


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Takes away what a person's shell would say about keys, endpoints and proxies."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith("RUNPOD_") or name.upper().endswith("_PROXY"):
                patch.delenv(name)
        yield


@pytest.fixture(params=["asyncio", pytest.param("trio", marks=pytest.mark.trio)])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop of a test with the mark `anyio`: each in turn."""
    return str(request.param)


@pytest.fixture
def free_tcp_port() -> int:
    """A port that nothing listens on; the oldest anyio has no such fixture."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
