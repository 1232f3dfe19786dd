"""The page is read section by section, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regeneration.walkthrough import Edit, commands, normalized, parse_diff, walks

PAGE = """\
# Title

```sh
not a step
```

## 1. First

```diff
--- a/one.txt
+++ b/one.txt
@@ the top
 kept
-old
+new
```

## Not numbered

## 2. Second

```console
$ nox -s types
Success
```
"""


def test_follows_the_numbered_sections() -> None:
    first, second = walks(PAGE)

    assert (first.title, second.title) == ("First", "Second")
    assert first.edits() == [Edit(Path("one.txt"), "kept\nold\n", "kept\nnew\n")]
    assert [step.language for step in second.steps] == ["console"]


def test_a_diff_may_have_several_files_and_places() -> None:
    text = "--- a/a\n+++ b/a\n@@ x\n-1\n+2\n@@ y\n\n+3\n--- a/b/c\n+++ b/b/c\n@@\n-4\n"

    assert list(parse_diff(text)) == [
        Edit(Path("a"), "1\n", "2\n"),
        Edit(Path("a"), "\n", "\n3\n"),
        Edit(Path("b/c"), "4\n", ""),
    ]


@pytest.mark.parametrize("text", ["-x\n", "--- a/a\n+++ b/a\nx\n"])
def test_refuses_what_is_not_a_diff(text: str) -> None:
    with pytest.raises(ValueError, match="this line is not part of a diff"):
        list(parse_diff(text))


@pytest.mark.parametrize(("text", "times"), [("", 0), ("old\nold\n", 2)])
def test_refuses_an_edit_that_does_not_fit_one_place(text: str, times: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=f"this stands in a {times} times:\nold"):
        Edit(Path("a"), "old\n", "new\n").apply(tmp_path)


def test_makes_an_edit_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\nold\n", encoding="utf-8")

    Edit(Path("a"), "old\n", "new\n").apply(tmp_path)

    assert (tmp_path / "a").read_text(encoding="utf-8") == "one\nnew\n"


def test_the_page_may_leave_removed_lines_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n  first\n    two\n    three\n  last\nfirst\n", encoding="utf-8")
    (edit,) = parse_diff("--- a/a\n+++ b/a\n@@\n-  first\n-    ...\n-  last\n+  new\n")

    edit.apply(tmp_path)

    assert (tmp_path / "a").read_text(encoding="utf-8") == "one\n  new\nfirst\n"


def test_a_console_shows_commands_and_their_output() -> None:
    assert commands("$ one\na\n\nb\n$ two\n") == [("one", "a\n\nb"), ("two", "")]
    with pytest.raises(ValueError, match="output without a command"):
        commands("a\n$ one\n")


def test_ignores_numbers_of_lines_commits_and_versions() -> None:
    told = "runpod_typed/_models/jobs.py:217: error: 217 files, since commit 1a2b3c4. After 0.1.0 comes 0.2.0."

    assert normalized(told) == "runpod_typed/_models/jobs.py:N: error: N files, since commit C. After V comes W."
