"""Changes as users meet them: breaking or compatible, and the version that follows."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import evolve, field, frozen

RULE_BEFORE_1: Final = "Before 1.0, a breaking change raises the second number, and anything else the third."
RULE_FROM_1: Final = "A breaking change raises the first number, an addition the second, and anything else the third."


@frozen(kw_only=True)
class Change:
    """One difference between two versions."""

    subject: str = field(kw_only=False)
    """The name of what changed; ``owner: part`` for a part of an operation."""
    text: str = field(kw_only=False)
    """The rest of the sentence that the subject begins."""
    breaks: bool
    """Code that was right may be wrong now: against the service, in Python, or for type checkers."""
    merge: bool = False
    """Several owners with the same change share one line."""

    @property
    def effect(self) -> str:
        """`breaking` or `compatible`."""
        return "breaking" if self.breaks else "compatible"

    def __str__(self) -> str:
        """Return a line of a report."""
        return f"{self.effect:<10}  {self.subject} {self.text}"


@frozen
class Part:
    """The changes in one part of the project, breaking ones first."""

    title: str
    changes: tuple[Change, ...]

    @classmethod
    def of(cls, title: str, changes: Iterable[Change]) -> "Part":
        """Merge and sort the changes of a part."""
        return cls(title, tuple(sorted(_merged(changes), key=lambda change: not change.breaks)))


def next_version(version: str, changes: Iterable[Change]) -> str:
    """Return the next version by semantic versioning; before 1.0 the numbers count one place further right."""
    breaks = {change.breaks for change in changes}
    major, minor, patch = numbers(version)
    if not breaks:
        return version
    if True in breaks:
        return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    return f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}"


def numbers(version: str) -> tuple[int, int, int]:
    """Return the three numbers that a version begins with.

    Raises:
        ValueError: It does not begin with three.
    """
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise ValueError(f"{version!r} is not a version: it must begin with three numbers")
    return int(match[1]), int(match[2]), int(match[3])


def report(since: str, version: str, now: str, parts: Sequence[Part], notes: Sequence[str] = ()) -> Iterator[str]:
    """Return the lines of a report.

    Args:
        since: The name of the old revision.
        version: The version of the project at that revision.
        now: The version that the project has now.
        parts: The changes.
        notes: What else has to be done, a line each.
    """
    changes = [change for part in parts for change in part.changes]
    if not changes:
        yield from (f"Nothing has changed for users since {since}.", *notes)
        return
    yield f"What has changed for users since {since}:"
    for part in parts:
        yield from ("", part.title, *(f"  {change}" for change in part.changes or ("nothing",)))
    number, following = sum(change.breaks for change in changes), next_version(version, changes)
    yield ""
    yield f"{number or 'No'} breaking, {len(changes) - number or 'no'} compatible. After {version} comes {following}."
    if now != version:
        enough = "" if numbers(now) >= numbers(following) else ", which is too little"
        yield f"The project says that it is {now}{enough}."
    yield from notes
    yield RULE_FROM_1 if numbers(version)[0] else RULE_BEFORE_1


def _merged(changes: Iterable[Change]) -> Iterator[Change]:
    groups: dict[object, list[Change]] = {}
    for change in changes:
        part = change.subject.partition(": ")[2]
        groups.setdefault((part, change.text, change.breaks) if change.merge else change, []).append(change)
    for first, *others in groups.values():
        owner, colon, part = first.subject.partition(": ")
        more = f" and {len(others)} more" if others else ""
        yield evolve(first, subject=f"{owner}{more}{colon}{part}")
