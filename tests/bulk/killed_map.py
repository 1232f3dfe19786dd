"""A program that runs many inputs with a journal: `killed_map.py URL KEY JOURNAL OUT COUNT map`. A test kills it.

With `batches` as the last argument, it runs them in batches.
"""

import sys
from pathlib import Path

from runpod_typed import Client


def main(arguments: list[str]) -> None:
    """Write a line per result, and a last line at the end."""
    url, key, journal, out, count, how = arguments
    inputs = ({"n": number} for number in range(int(count)))
    with Client(key, base_url=url) as client, Path(out).open("a", encoding="utf-8") as lines:
        endpoint = client.endpoint("local", output_type=int)
        run = endpoint.batches.run if how == "batches" else endpoint.map
        with run(inputs, concurrency=32, journal=journal) as results:
            for result in results:
                fate = "ok" if result.succeeded else type(result.error).__name__
                assert not result.succeeded or result.output == result.input["n"]
                lines.write(f"{result.input['n']} {fate} {result.from_journal}\n")
                lines.flush()
        lines.write("end\n")


if __name__ == "__main__":
    main(sys.argv[1:])
