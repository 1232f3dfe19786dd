"""The page on the architecture names each layer that import-linter holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_names_every_layer() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(one for one in tools["importlinter"]["contracts"] if one["name"] == "Layers of the client")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    layers = [name for line in contract["layers"] for name in re.findall(r"runpod_typed\.(\w+)", line)]
    assert [name for name in layers if f"`{name}/`" not in page and f"`{name}.py`" not in page] == []
