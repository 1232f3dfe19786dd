"""A program that runs many inputs with a journal: `killed_map.py URL KEY JOURNAL OUT COUNT HOW`. A test kills it.

HOW is `map`, `async-map`, or `batches`; with `, cancel` behind it, an interrupt cancels the jobs.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from runpod_typed import AsyncClient, Client, MapResult

Result = MapResult[dict[str, int], int]


def main(arguments: list[str]) -> None:
    """Write a line per result, and a last line at the end."""
    url, key, journal, out, count, how = arguments
    inputs = ({"n": number} for number in range(int(count)))
    options: dict[str, Any] = {
        "concurrency": 32,
        "journal": journal,
        "on_exit": "cancel" if "cancel" in how else "leave",
    }
    with Path(out).open("a", encoding="utf-8") as lines:

        def write(result: Result) -> None:
            fate = "ok" if result.succeeded else type(result.error).__name__
            assert not result.succeeded or result.output == result.input["n"]
            lines.write(f"{result.input['n']} {fate} {result.from_journal}\n")
            lines.flush()

        def run() -> None:
            with Client(key, base_url=url) as client:
                endpoint = client.endpoint("local", output_type=int)
                call = endpoint.batches.run if how == "batches" else endpoint.map
                with call(inputs, **options) as results:
                    for result in results:
                        write(result)

        async def run_tasks() -> None:
            async with (
                AsyncClient(key, base_url=url) as client,
                client.endpoint("local", output_type=int).map(inputs, **options) as results,
            ):
                async for result in results:
                    write(result)

        if how.startswith("async"):
            asyncio.run(run_tasks())
        else:
            run()
        lines.write("end\n")


if __name__ == "__main__":
    main(sys.argv[1:])
