"""Counts what the documents show and what the docstrings say.

    python -m tests.docs

The tests beside it run every snippet and look at every name; this prints how many there are.
"""

from __future__ import annotations

import re
import sys

from tests.docs.docstrings import complaints, public
from tests.docs.shell import commands_in
from tests.docs.snippets import ROOT, snippets_in


def main() -> int:
    """Print the figures; the exit code is 1 where a docstring is incomplete."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    snippets = [snippet for page in pages for snippet in snippets_in(page, "python")]
    promising = [snippet for snippet in snippets if snippet.output is not None]
    print(f"{len(snippets)} Python snippets, all run and type-checked; {len(promising)} show what they print")
    commands = commands_in(*pages)
    print(f"{len(commands)} shell commands, all held against the sessions, extras and programs that there are")

    names = list(public())
    incomplete = {one.name: said for one in names if (said := list(complaints(one)))}
    for name, said in incomplete.items():
        print(f"{name}: {'; '.join(said)}", file=sys.stderr)
    raising = [one for one in names if re.search(r"^Raises:$", one.docstring, re.MULTILINE)]
    sourced = [one for one in names if "Source: " in one.docstring]
    print(
        f"{len(names)} public names, {len(names) - len(incomplete)} with complete docstrings; "
        f"{len(raising)} name what they raise, {len(sourced)} give the vendor's source"
    )
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
