"""Follows `docs/regenerating.md`.

    python -m tests.regeneration        write what the commands print today into the page
    python -m tests.regeneration 3      make edit 3 in this work tree, with every line that follows it

Read the difference before you keep it.
"""

import re
import sys
import tempfile
from pathlib import Path

from scripts.check_spec import ROOT
from tests.regeneration.project import Project
from tests.regeneration.walkthrough import PAGE, follow, normalized, walks


def main() -> int:
    """Run the command line; returns the exit code."""
    if sys.argv[1:]:
        for edit in walks(PAGE.read_text(encoding="utf-8"))[int(sys.argv[1]) - 1].edits():
            edit.apply(ROOT)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="regeneration-") as folder:
        project = Project.checked(Path(folder), Path(folder, "checked"))
        for walk in walks(page):
            project.reset()
            text, start = walk.text, 0
            for command in follow(project, walk):
                printed = re.sub(r"commit [0-9a-f]{7,}", "commit 1a2b3c4", command.printed.rstrip("\n"))
                old, new = (_block(command.command, output) for output in (command.shown, printed))
                start = text.index(old, start)
                text, start = f"{text[:start]}{new}{text[start + len(old) :]}", start + len(new)
                is_same = normalized(printed) == normalized(command.shown)
                print(f"{walk.title}: {command.command}: {'as before' if is_same else 'CHANGED'}", flush=True)
            page = page.replace(walk.text, text)
            PAGE.write_text(page, encoding="utf-8")
    return 0


def _block(command: str, output: str) -> str:
    """Return a command and its output, up to what follows them on the page."""
    return "\n".join(filter(None, (f"$ {command}", output))) + "\n"


if __name__ == "__main__":
    sys.exit(main())
