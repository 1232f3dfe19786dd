"""Writes what the commands of `docs/regenerating.md` print today into the page: `python -m tests.regeneration`.

For whoever has changed a tool's words on purpose; read the difference before you keep it.
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.regeneration.project import Project
from tests.regeneration.walkthrough import PAGE, follow, normalized, walks


def main() -> int:
    """Goes through the page on a copy of the project; returns the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="regeneration-") as folder:
        project = Project.checked(Path(folder))
        for walk in walks(page):
            project.reset()
            text = walk.text
            for shown in follow(project, walk):
                printed = re.sub(r"commit [0-9a-f]{7,}", "commit 1a2b3c4", shown.printed.rstrip("\n"))
                text = text.replace(_block(shown.command, shown.shown), _block(shown.command, printed), 1)
                is_same = normalized(printed) == normalized(shown.shown)
                print(f"{walk.title}: {shown.command}: {'as before' if is_same else 'CHANGED'}")
            page = page.replace(walk.text, text)
    PAGE.write_text(page, encoding="utf-8")
    return 0


def _block(command: str, output: str) -> str:
    """A command and its output, up to what follows them on the page."""
    return "\n".join(filter(None, (f"$ {command}", output))) + "\n"


if __name__ == "__main__":
    sys.exit(main())
