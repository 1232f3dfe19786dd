"""Messages of the package in the words of the command line: commands and options in place of calls and arguments."""

from __future__ import annotations

import re
import shlex
from contextvars import ContextVar
from functools import partial
from typing import Final, NamedTuple


class Names(NamedTuple):
    """The words of the commands that a message names, beside the id of a job."""

    endpoint_id: str = "ENDPOINT"
    profile: str | None = None


in_use: ContextVar[Names] = ContextVar("in_use", default=Names())  # noqa: B039 -- it is immutable
"""The endpoint and the profile of this command."""

_REPLACEMENTS: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"endpoint\.job\('([^']*)'\)", r"`{command} wait {endpoint} \1{options}`"),
        (r", or keep waiting with error\.job", ""),
        (r"endpoint\.batches\.get\('([^']*)'\)", r"`{command} batch show {endpoint} \1{options}`"),
        (r"endpoint\.batches\.(results|cancel)\('([^']*)'\)", r"`{command} batch \1 {endpoint} \2{options}`"),
        (r"endpoint\.batches\.list\(\)", "`{command} batch list {endpoint}{options}`"),
        (r"endpoint\.batches\.(\w+)\(\)", r"`{command} batch \1`"),
        (r"; to cancel the jobs, pass on_exit='cancel', or call endpoint\.purge_queue\(\)", ""),
        (r"endpoint\.map\(\)", "`{command} map`"),
        (r"job\.(output|retry)\(\)", r"`{command} \1 {endpoint} {job}{options}`"),
        (r"`error\.state` has", "`{command} status {endpoint} {job}{options}` shows"),
        (r"make the same call: journal='([^']*)' has", r"repeat the command: \1 has"),
        (r"Make that call with", "Run that with"),
        (r"journal=PATH", "--journal FILE"),
        (r"set RetryPolicy\(resubmit=True\)", "repeat the command"),
        (r"resubmit_uncertain=True", "--resubmit-uncertain"),
        (r"; PollPolicy\.max_outage is [^ ]+ s", "; --timeout sets another limit"),
        (r" \(PollPolicy\.max_outage\)| \(raise max_response_bytes= of the client\)", ""),
        (r"Raise timeout=, or check the endpoint's health", "See `{command} health {endpoint}{options}`"),
        (r"Raise timeout=, or put", "Put"),
        (r"run_sync\(\) takes", "--sync takes"),
        (r"with ExecutionPolicy\b(?!\.\w)", "with --ttl and --execution-timeout"),
        (r"(?:ExecutionPolicy\.|\b)execution_timeout\b", "--execution-timeout"),
        (r"ExecutionPolicy\.ttl", "--ttl"),
        (r"\bwebhook= must", "--webhook must"),
        (r" \(RUNPOD_API_KEY\)", "{key}"),
        (r"pass api_key=", "use --profile NAME"),
        (r"goes into api_key=", "goes into RUNPOD_API_KEY"),
        (r"the request_total of", "the requests in all of"),
        (r"\bendpoint_id\b", "ENDPOINT"),
    )
)


def command(*words: str) -> str:
    """Return a command line of this program, with the profile in use."""
    return f"runpod-typed {shlex.join(words)}{_options()}"


def as_commands(message: str, job_id: str | None = None) -> str:
    """Return a message of the package with commands and options in place of calls and arguments."""
    endpoint_id, profile = in_use.get()
    names = {
        "{command}": "runpod-typed",
        "{endpoint}": shlex.quote(endpoint_id),
        "{job}": shlex.quote(job_id or "JOB"),
        "{options}": _options(),
        "{key}": " (RUNPOD_API_KEY)" if profile is None else f" of the profile {profile!r}",
    }
    for pattern, replacement in _REPLACEMENTS:
        message = pattern.sub(partial(_fill, replacement, names), message)
    return message


def _fill(replacement: str, names: dict[str, str], found: re.Match[str]) -> str:
    """Fill in the groups of the pattern and the names."""
    filled = re.sub(r"\{\w+\}", lambda name: names[name[0]], replacement)
    return re.sub(r"\\(\d)", lambda group: found[int(group[1])], filled)


def _options() -> str:
    profile = in_use.get().profile
    return "" if profile is None else f" --profile {shlex.quote(profile)}"
