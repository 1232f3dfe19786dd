"""Counts what the documents show.

    python -m tests.docs

The tests beside it run every snippet and check every command; this prints how many there are.
"""

from __future__ import annotations

from tests.docs.shell import commands_in
from tests.docs.snippets import ROOT, snippets_in


def main() -> None:
    """Print the figures."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    snippets = [snippet for page in pages for snippet in snippets_in(page, "python")]
    promising = [snippet for snippet in snippets if snippet.output is not None]
    print(f"{len(snippets)} Python snippets, all run and type-checked; {len(promising)} show what they print")
    commands = commands_in(*pages)
    print(f"{len(commands)} shell commands, all held against the sessions, extras and programs that there are")


if __name__ == "__main__":
    main()
