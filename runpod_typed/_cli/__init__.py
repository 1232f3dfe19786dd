"""The command line: ``runpod-typed``, or ``python -m runpod_typed``. It needs the extra `cli` of this package."""

import sys
from importlib.util import find_spec

__all__ = ["main"]

_MISSING = "The command line needs Typer and rich: python3 -m pip install typer rich"


def main() -> None:
    """Run the command line and exit."""
    if find_spec("typer") is None or find_spec("rich") is None:
        print(_MISSING, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    try:
        from runpod_typed._cli.app import run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:  # before there is a command that handles it
        sys.exit(130)
