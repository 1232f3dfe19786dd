"""Profiles: keys and base URLs by name, in a file of the user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from runpod_queue_api import wire

from runpod_typed._models.secret import Secret
from runpod_typed.errors import ConfigurationError


def with_profile(
    name: str | None, api_key: Secret | None, base_url: Secret | None
) -> tuple[Secret | None, Secret | None]:
    """Fill what is not given from a profile. Without a profile, nothing is read.

    Raises:
        ConfigurationError: The file or the profile does not exist, or cannot be used.
    """
    if name is None:
        return api_key, base_url
    profile = _read(name)
    return api_key or Secret(profile["api_key"]), base_url or Secret(profile.get("base_url", wire.SERVER_URL))


def profiles_file() -> Path:
    """Return the path of the file, whether it exists or not."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "runpod-typed" / "config.toml"


def _read(name: str) -> dict[str, str]:
    import tomllib  # noqa: PLC0415 -- few programs have profiles

    path = profiles_file()
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            f"The profile {name!r} cannot be read: {path}: {error.strerror}. The file needs a table of that name "
            "with an api_key."
        ) from None
    except ValueError as error:  # the message has the line, and not its content
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from None
    profile: Any = profiles.get(name)
    if not isinstance(profile, dict):
        known = ", ".join(repr(key) for key, value in profiles.items() if isinstance(value, dict)) or "none"
        raise ConfigurationError(f"There is no profile {name!r} in {path}; the profiles there: {known}.")
    settings = cast("dict[str, object]", profile)
    problem = _problem(settings)
    if problem is not None:
        raise ConfigurationError(f"The profile {name!r} in {path} {problem}.")
    return cast("dict[str, str]", settings)


def _problem(settings: dict[str, object]) -> str | None:
    unknown = settings.keys() - {"api_key", "base_url"}
    if unknown:
        return f"has an unknown setting {min(unknown)!r}: api_key and base_url are known"
    if "api_key" not in settings:
        return "has no api_key"
    if not all(isinstance(value, str) for value in settings.values()):
        return "has a setting that is not a string"
    if not str(settings["api_key"]).strip():
        return "has an empty api_key"
    return None
