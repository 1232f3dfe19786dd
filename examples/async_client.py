"""Many jobs at once, with asyncio. `AsyncClient` runs under trio too.

    python examples/async_client.py

The handler runs in this process. With `LocalQueue(worker=...)` it would run in a worker of Runpod's SDK.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from runpod_typed import AsyncClient, AsyncEndpoint
from runpod_typed.local import LocalQueue


@dataclass(frozen=True)
class Question:
    """The input."""

    number: int


@dataclass(frozen=True)
class Answer:
    """The output."""

    number: int
    divisors: list[int]


async def find_divisors(job: dict[str, Any]) -> dict[str, Any]:
    """A handler, as it would stand in a worker's file."""
    number = job["input"]["number"]
    await asyncio.sleep(0.2)
    return {"number": number, "divisors": [n for n in range(1, number + 1) if number % n == 0]}


async def ask_all(endpoint: AsyncEndpoint[Question, Answer], numbers: range) -> list[Answer]:
    """Run a job for each number, several at once. The first failure raises."""
    async with endpoint.map((Question(number) for number in numbers), timeout=30) as results:
        return [result.output async for result in results]


async def main() -> None:
    """Start a queue with four workers, and put twelve questions into it."""
    with LocalQueue(find_divisors, workers=4) as queue:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            endpoint = client.endpoint(queue.endpoint_id, input_type=Question, output_type=Answer)
            for found in await ask_all(endpoint, range(1, 13)):
                print(f"{found.number:2}  {found.divisors}")


if __name__ == "__main__":
    asyncio.run(main())
