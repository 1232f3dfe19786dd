"""Pages for people who change the code name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [
    ROOT / folder
    for folder in (
        ".",
        "runpod_typed",
        "runpod_typed/_async",
        "runpod_typed/_models",
        "runpod_typed/_transport",
        "runpod_typed/local",
        "runpod_typed/local/_server",
        "generated/runpod_queue_api",
    )
]
"""The folders that the names are relative to."""


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_named_files_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"`([\w./-]+(?:\.(?:py|md|toml|yaml|jinja)|/))`", text)))
    assert len(names) > 20
    assert [name for name in names if not any((folder / name).exists() for folder in FOLDERS)] == []
