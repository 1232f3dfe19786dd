"""The surroundings of the tests (see tests/conftest.py), and rules for the repository."""

import os
import re
import socket

import pytest

from tests.architecture.source import PACKAGE, ROOT


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "runpod.example"])
def test_no_test_reaches_another_machine(host: str) -> None:
    with pytest.raises(RuntimeError, match="tests talk to this machine alone"):
        socket.create_connection((host, 443), timeout=1)


def test_tests_reach_this_machine() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as connection,
    ):
        assert connection.getpeername()[0] == "127.0.0.1"


def test_no_key_endpoint_or_proxy_of_the_shell_is_seen() -> None:
    seen = {name.upper() for name in os.environ}
    assert not [name for name in seen if name.startswith("RUNPOD_") or name.endswith("_PROXY")]


def test_no_message_installs_the_package_by_name_from_an_index() -> None:
    # Until the name is registered, anyone could own it.
    for path in PACKAGE.rglob("*.py"):
        assert not re.search(r"install\W+(-\S+ )*runpod-typed", path.read_text(encoding="utf-8")), path


def test_pre_commit_uses_the_pinned_ruff() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (pin,) = re.findall(r'"ruff==([\d.]+)"', project)
    assert f"rev: v{pin}\n" in hooks
