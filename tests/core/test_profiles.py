"""Profiles: keys and base URLs of a file."""

from pathlib import Path

import pytest

from runpod_typed import Client, ConfigurationError

PROFILES = """
[work]
api_key = "work-key"

[local]
api_key = "local-key"
base_url = "http://127.0.0.1:1/v2"

[typo]
api-key = "x"

[keyless]
base_url = "https://example.com"

[number]
api_key = 7
"""


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "runpod-typed" / "config.toml"
    file.parent.mkdir()
    file.write_text(PROFILES, encoding="utf-8")
    return file


def test_takes_key_and_url_of_profile() -> None:
    with Client(profile="local") as client:
        assert client.base_url == "http://127.0.0.1:1/v2"


def test_profile_replaces_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://elsewhere.example/v2")  # must not get the profile's key
    with Client(profile="work") as client:
        assert client.base_url == "https://api.runpod.ai/v2"


def test_arguments_precede_profile() -> None:
    with Client("key", base_url="https://example.com/v2", profile="local") as client:
        assert client.base_url == "https://example.com/v2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unknown", "no profile 'unknown'.*'work', 'local'"),
        ("typo", "unknown setting 'api-key'"),
        ("keyless", "has no api_key"),
        ("number", "not a string"),
    ],
)
def test_refuses_profile_that_cannot_be_used(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Client(profile=name)


def test_names_file_that_is_missing_or_invalid(file: Path) -> None:
    file.write_text("[work\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"config\.toml is not valid TOML"):
        Client(profile="work")
    file.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        Client(profile="work")
