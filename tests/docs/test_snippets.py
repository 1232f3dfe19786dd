"""The helper behind the documents' tests notices what it should."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tests.docs.snippets import commands, is_as_promised, run, snippets_in

PAGE = """\
# Title

Text.

```python
print("one")
```

```text
one
```

## Second

```python
def test_that_fails() -> None:
    raise LookupError("from the page")
```

A paragraph in between.

```text
no output of the block above
```

```sh
python3 -m pip install x && python3 -m x  # a comment
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_snippet_knows_its_line_heading_and_promised_output(page: Path) -> None:
    first, second = snippets_in(page, "python")

    assert (first.line, first.heading, first.output) == (6, "Title", "one\n")
    assert (second.line, second.heading, second.output) == (16, "Second", None)


def test_compares_output_and_dots_match_anything(page: Path) -> None:
    first = snippets_in(page, "python")[0]

    assert is_as_promised(first, run(first))
    assert not is_as_promised(first, "two\n")
    page.write_text(PAGE.replace("```text\none", "```text\no...e"), encoding="utf-8")
    assert is_as_promised(snippets_in(page, "python")[0], "orange\n")


def test_failure_in_snippet_names_page_and_line(page: Path) -> None:
    with pytest.raises(LookupError) as raised:
        run(snippets_in(page, "python")[1])

    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(page), 17)


def test_the_commands_of_a_shell_snippet_are_taken_apart(page: Path) -> None:
    (snippet,) = snippets_in(page, "sh")

    assert commands(snippet) == [["python3", "-m", "pip", "install", "x"], ["python3", "-m", "x"]]


def test_a_block_without_an_end_is_refused(page: Path) -> None:
    page.write_text(PAGE + "\n```python\nprint()\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"page\.md:30: the block that begins here has no end"):
        snippets_in(page, "python")
