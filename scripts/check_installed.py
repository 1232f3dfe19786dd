"""Runs two jobs with the installed package, outside of the repository: `python -I scripts/check_installed.py`."""

from dataclasses import dataclass

from runpod_typed import Client, JobFailedError, __version__
from runpod_typed.local import LocalQueue


@dataclass
class Word:
    """The output."""

    word: str


with (
    LocalQueue(lambda job: {"word": job["input"]["word"].upper()}) as queue,
    Client(queue.api_key, base_url=queue.base_url) as client,
):
    endpoint = client.endpoint(queue.endpoint_id, output_type=Word)
    if endpoint.run_sync({"word": "hello"}, timeout=30) != Word("HELLO"):
        raise SystemExit("the first job returned another result")
    try:
        endpoint.run_sync({"letters": 3}, timeout=30)
    except JobFailedError as error:
        print(f"runpod-typed {__version__}: one job succeeded, and one failed as expected: {error.error_type}")
    else:
        raise SystemExit("the second job should have failed")
