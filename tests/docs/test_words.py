"""The check of the project's English."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_words import findings


@pytest.mark.parametrize(
    "text",
    [
        '"""What a job yields."""',
        'def f():\n    """Whether it works."""',
        "x = 1  # None where there is none",
        "# It retries. Where it cannot, it raises.",
        "# nobody waits",
        'raise ValueError("the body is no JSON")',
        "# the server answers with 404",
        "# two looks at the job",
        "# the sync half",
        "def test_" + "a" * 60 + "(): ...",
    ],
)
def test_finds_words_to_avoid(tmp_path: Path, text: str) -> None:
    (tmp_path / "module.py").write_text(f"{text}\n", encoding="utf-8")
    assert len(list(findings(tmp_path / "module.py"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '"""Return the chunks that a job yields, or None."""',
        "# the folder where the file is; if there is no file, it raises",
        "answer = looks",
        "# `answers` is a name of the wire",
        "def test_" + "a" * 50 + "(): ...",
    ],
)
def test_accepts_plain_english(tmp_path: Path, text: str) -> None:
    (tmp_path / "module.py").write_text(f"{text}\n", encoding="utf-8")
    assert list(findings(tmp_path / "module.py")) == []


def test_reads_markdown(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Title\n\nThe vendor's `answer` is here.\n", encoding="utf-8")
    assert [line for line, _ in findings(tmp_path / "page.md")] == [3]
