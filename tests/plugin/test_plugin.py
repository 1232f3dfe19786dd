"""The pytest plugin, in test modules of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

USED = """
from datetime import timedelta
import pytest
from runpod_typed import Codec, JobExpiredError, WaitTimeoutError
from runpod_typed.testing import AsyncEndpointFactory, EndpointFactory, QueueFactory


def double(job):
    return 2 * job["input"]


def test_queue_counts_submissions(runpod_queue: QueueFactory, runpod_endpoint: EndpointFactory) -> None:
    queue = runpod_queue(double, endpoint_id="demo")
    endpoint = runpod_endpoint(queue=queue, input_type=int, output_type=int)
    assert endpoint.run_sync(4, timeout=60) == 8
    endpoint.run(5, webhook="http://127.0.0.1:9/done").output(60)
    queue.assert_submitted(2)
    assert [(job.input, job.sync, job.webhook) for job in queue.submissions] == [
        (4, True, None), (5, False, "http://127.0.0.1:9/done")
    ]
    with pytest.raises(AssertionError, match="2 jobs were submitted, not 3"):
        queue.assert_submitted(3)


def test_fault_in_one_line(runpod_queue, runpod_endpoint) -> None:
    queue = runpod_queue(double)
    queue.inject("rate_limited", operation="run")
    assert runpod_endpoint(queue=queue).run(1).output(60) == 2


@pytest.mark.anyio
async def test_async(async_runpod_endpoint: AsyncEndpointFactory) -> None:
    endpoint = async_runpod_endpoint(double, output_type=int)
    assert await endpoint.run_sync(4, timeout=60) == 8


def test_codecs(runpod_endpoint: EndpointFactory) -> None:
    class Hours(Codec[timedelta]):
        def encode(self, value: timedelta) -> object:
            return value / timedelta(hours=1)

        def decode(self, value: object) -> timedelta:
            return timedelta(hours=value)

    endpoint = runpod_endpoint(double, input_codec=Hours(), output_codec=Hours())
    assert endpoint.run_sync(timedelta(hours=3), timeout=60) == timedelta(hours=6)


@pytest.mark.parametrize("given", [{"handler": double}, {"workers": 2}, {"output_typ": int}])
@pytest.mark.parametrize("fixture", ["runpod_endpoint", "async_runpod_endpoint"])
def test_nothing_is_ignored(runpod_queue, request, fixture, given) -> None:
    queue = runpod_queue(double)
    with pytest.raises(TypeError, match=f"{next(iter(given))} is not possible beside queue="):
        request.getfixturevalue(fixture)(queue=queue, **given)
    with pytest.raises(TypeError, match="output_typ"):
        request.getfixturevalue(fixture)(double, output_typ=int)


def test_ttl_of_an_hour(runpod_queue, runpod_endpoint) -> None:
    endpoint = runpod_endpoint(auto_advance=True)
    with pytest.raises(JobExpiredError):
        endpoint.run(1).output(timeout=2)


def test_auto_advance_leaves_running_jobs_alone(runpod_endpoint) -> None:
    assert runpod_endpoint(double, auto_advance=True).run_sync(3, timeout=60) == 6
"""

STRICT = """
def test_leaves_a_job(runpod_endpoint):
    runpod_endpoint().run(1)


def test_leaves_a_stream(runpod_endpoint):
    def count(job):
        yield from range(3)

    runpod_endpoint(count).run(1).wait(60)


def test_leaves_nothing(runpod_endpoint):
    def count(job):
        yield from range(3)

    assert list(runpod_endpoint(count).run(1).stream(60)) == [0, 1, 2]
"""


def run(folder: Path, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_shown.py").write_text(module, encoding="utf-8")
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "runpod_typed.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", *options, *arguments, "test_shown.py"]
    # If the package is installed, its entry point would load the plugin a second time.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_fixtures_serve_a_test_module(tmp_path: Path) -> None:
    ended = run(tmp_path, USED, "--runpod-strict", "-p", "anyio")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "13 passed" in ended.stdout


ASYNC = """
import pytest


def double(job):
    return 2 * job["input"]


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(3))
async def test_under_anyio(async_runpod_endpoint, number) -> None:
    assert await async_runpod_endpoint(double).run_sync(number, timeout=60) == 2 * number


@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_under_asyncio(async_runpod_endpoint, runpod_queue, number) -> None:
    queue = runpod_queue(double)
    endpoint = async_runpod_endpoint(queue=queue)
    job = await endpoint.run(number)
    assert await job.output(60) == 2 * number
    queue.assert_submitted(1)


@pytest.mark.parametrize("number", range(3))
def test_sync(runpod_endpoint, number) -> None:
    assert runpod_endpoint(double).run_sync(number, timeout=60) == 2 * number
"""

LOOP = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns if it is unset
SHUFFLED = """
def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.name[::-1])
"""


@pytest.mark.parametrize(
    "plugins",
    [
        ("-p", "anyio"),
        ("-p", "anyio", "-p", "xdist", "-n", "2"),
        ("-p", "anyio", "-p", "pytest_asyncio.plugin", *LOOP, "--asyncio-mode=strict"),
        ("-p", "anyio", "-p", "pytest_asyncio.plugin", *LOOP, "--asyncio-mode=auto", "-p", "xdist", "-n", "2"),
    ],
    ids=["anyio", "xdist", "asyncio", "all"],
)
def test_serves_other_plugins_and_any_order(tmp_path: Path, plugins: tuple[str, ...]) -> None:
    (tmp_path / "conftest.py").write_text(SHUFFLED, encoding="utf-8")
    if "pytest_asyncio.plugin" in plugins:
        pytest.importorskip("pytest_asyncio")
        module = ASYNC
    else:
        module = ASYNC.replace("@pytest.mark.asyncio", "@pytest.mark.anyio")
    ended = run(tmp_path, module, "--runpod-strict", *plugins)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "9 passed" in ended.stdout


def test_strict_fails_tests_that_leave_something_behind(tmp_path: Path) -> None:
    assert "3 passed" in run(tmp_path, STRICT).stdout
    strict = run(tmp_path, STRICT, "--runpod-strict").stdout
    assert "2 failed, 1 passed" in strict
    assert "was left unfinished" in strict
    assert "was not read to its end" in strict


def test_plugin_imports_nothing_until_it_is_used(tmp_path: Path) -> None:
    module = """
import sys

def test_nothing():
    assert not {"anyio", "httpx", "runpod_queue_api", "starlette"} & sys.modules.keys()
"""
    ended = run(tmp_path, module)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_plugin_is_found_by_its_entry_point() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nrunpod-typed = "runpod_typed.pytest_plugin"' in project
