"""What a change is to those who use the project: compatible or breaking, and which version follows from it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

RULE_BEFORE_1: Final = "Before 1.0, a breaking change raises the second number, and anything else the third."
RULE_FROM_1: Final = "A breaking change raises the first number, an addition the second, and anything else the third."


class Effect(StrEnum):
    """Whether code that was right before still is: for the service, for Python, and for type checkers."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"


@frozen
class Change:
    """One thing that is not as it was."""

    subject: str
    """What has changed, by the name that people know it by."""
    text: str
    """What happened to it, in words that go on where the subject ends."""
    effect: Effect

    def __str__(self) -> str:
        """A line of a report."""
        return f"{self.effect:<10}  {self.subject} {self.text}"


@frozen
class Part:
    """What has changed in one part of the project, the most important first."""

    title: str
    changes: tuple[Change, ...]

    @classmethod
    def of(cls, title: str, changes: Iterable[Change]) -> "Part":
        """The changes of a part, put in order: those that break first, otherwise as they come."""
        return cls(title, tuple(sorted(changes, key=lambda change: change.effect is Effect.COMPATIBLE)))


def breaking(subject: str, text: str) -> Change:
    """A change after which code that was right before may be wrong."""
    return Change(subject, text, Effect.BREAKING)


def compatible(subject: str, text: str) -> Change:
    """A change that no code has to follow."""
    return Change(subject, text, Effect.COMPATIBLE)


def judged(subject: str, text: str, *, breaks: bool) -> Change:
    """A change of either kind."""
    return (breaking if breaks else compatible)(subject, text)


def next_version(version: str, changes: Iterable[Change]) -> str:
    """The version that follows one, by semantic versioning; before 1.0 the numbers count one place further right."""
    effects = {change.effect for change in changes}
    if not effects:
        return version
    major, minor, patch = _numbers(version)
    if Effect.BREAKING in effects:
        return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    return f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}"


def report(since: str, version: str, now: str, parts: Sequence[Part]) -> Iterator[str]:
    """The lines that tell a person what has changed since a revision.

    Args:
        since: The revision, as people know it.
        version: The version that it was of.
        now: The version that the project says it is of.
        parts: The changes.
    """
    changes = [change for part in parts for change in part.changes]
    if not changes:
        yield f"Nothing has changed for users since {since}."
        return
    yield f"What has changed for users since {since}:"
    for part in parts:
        yield ""
        yield part.title
        yield from (f"  {change}" for change in part.changes)
        if not part.changes:
            yield "  nothing"
    number = sum(change.effect is Effect.BREAKING for change in changes)
    following = next_version(version, changes)
    yield ""
    yield f"{number or 'No'} breaking, {len(changes) - number or 'no'} compatible. After {version} comes {following}."
    if now != version:
        enough = "" if _numbers(now) >= _numbers(following) else ", which is too little"
        yield f"The project says that it is {now}{enough}."
    yield RULE_FROM_1 if _numbers(version)[0] else RULE_BEFORE_1


def _numbers(version: str) -> tuple[int, int, int]:
    """The three numbers of a version, whatever follows them.

    Raises:
        ValueError: It does not begin with three.
    """
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise ValueError(f"{version!r} is no version: it must begin with three numbers")
    return int(match[1]), int(match[2]), int(match[3])
