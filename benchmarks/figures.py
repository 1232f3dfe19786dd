"""The results of a run: figures of contenders that were measured in turn, and the rows of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

Measurement = Callable[[], float]


@frozen
class Rounds:
    """One figure a round for each contender. In a round all were measured one after the other."""

    figures: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The median of a contender's figures."""
        return statistics.median(self.figures[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the rounds' ratios: what slows a whole round down counts to neither side."""
        pairs = zip(self.figures[name], self.figures[other], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def spread(self, name: str, other: str) -> str:
        """The middle half of the rounds' ratios."""
        pairs = list(zip(self.figures[name], self.figures[other], strict=True))
        ratios = [mine / theirs for mine, theirs in pairs]
        if len(ratios) < 3:
            return f"{min(ratios):.2f} to {max(ratios):.2f}"
        low, _, high = statistics.quantiles(ratios, n=4)
        return f"{low:.2f} to {high:.2f}"


def in_turn(
    rounds: int, contenders: Mapping[str, Measurement], *, before_round: Callable[[], None] | None = None
) -> Rounds:
    """Measure all contenders, round after round. The order changes: the first of a round finds the caches cold."""
    names = list(contenders)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        if before_round is not None:
            before_round()
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            figures[name].append(contenders[name]())
    return Rounds(figures)


def plain(figure: float) -> str:
    """A ratio, for people."""
    return f"{figure:.3f}" if figure < 0.1 else f"{figure:.2f}"


@frozen(kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        what: The name of the row.
        ours: Our figure, with its unit.
        peer: The peer's figure, with its name.
        figure: The figure that has the target: a ratio, or our figure itself.
        target: The most that it may be, or None.
        show: Formats the figure and the target.
    """

    what: str
    ours: str
    peer: str
    figure: float
    target: float | None = None
    show: Callable[[float], str] = plain

    @property
    def met(self) -> bool:
        """True if the target is met, or if there is none."""
        return self.target is None or self.figure <= self.target

    @property
    def cells(self) -> Sequence[str]:
        """The cells of the line, formatted."""
        if self.target is None:
            return [self.what, self.ours, self.peer, self.show(self.figure), "", ""]
        beyond = f" by {self.figure / self.target - 1:.0%}" if self.target else ""
        verdict = "met" if self.met else f"**missed**{beyond}"
        return [self.what, self.ours, self.peer, self.show(self.figure), self.show(self.target), verdict]


@frozen(kw_only=True)
class Section:
    """The rows of one measurement, and the text about it.

    Attributes:
        title: A heading.
        rows: Lines of the table.
        text: Markdown.
        plots: SVG images by file name.
        profiles: Profiles by file name.
    """

    title: str
    rows: Sequence[Row]
    text: str = ""
    plots: Mapping[str, str] = field(factory=dict[str, str])
    profiles: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def met(self) -> bool:
        """True if all targets are met."""
        return all(row.met for row in self.rows)


def ratio_row(
    what: str, rounds: Rounds, ours: str, peer: str, *, target: float | None, show: Callable[[float], str]
) -> Row:
    """A line whose target is a ratio."""
    return Row(
        what=what,
        ours=show(rounds.median(ours)),
        peer=f"{peer}: {show(rounds.median(peer))}",
        figure=rounds.ratio(ours, peer),
        target=target,
    )


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are set to the right."""
    rule = ["---", *("--:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def rounds_table(rounds: Rounds, ours: str, show: Callable[[float], str]) -> str:
    """All contenders beside each other."""
    return table(
        ["", "median", "lowest", "ours over it", "middle half of the rounds"],
        [
            [
                name,
                show(rounds.median(name)),
                show(min(rounds.figures[name])),
                f"{rounds.ratio(ours, name):.2f}",
                rounds.spread(ours, name),
            ]
            for name in rounds.figures
        ],
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def microseconds(seconds: float) -> str:
    """Seconds as microseconds, for people."""
    return f"{seconds * 1e6:,.0f} µs"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, for people."""
    return f"{seconds * 1e3:,.1f} ms"


def in_seconds(seconds: float) -> str:
    """Seconds, for people."""
    return f"{seconds:,.2f} s"


def megabytes(size: float) -> str:
    """Bytes as megabytes, for people."""
    return f"{size / 1e6:,.1f} MB"


def kilobytes(size: float) -> str:
    """Bytes as kilobytes, for people."""
    return f"{size / 1e3:,.1f} kB"
