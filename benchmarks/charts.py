"""Bar charts as SVG: small, the same bytes for the same figures, and readable on light and dark pages.

Written by hand: a plotting library would be the largest thing that a run installs, for pictures of a few rectangles.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from attrs import frozen

WIDTH: Final = 900
LABELS: Final = 440
FIGURES: Final = 90
LINE: Final = 24
TOP: Final = 34
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.ours{fill:#1a7f64}.other{fill:#8c959f}"
    ".missed{fill:#cf222e}.mark{stroke:#bf8700;stroke-width:2;stroke-dasharray:5 3}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.other{fill:#6e7681}}"
)


@frozen
class Bar:
    """One bar: its label, its length, the same for people, and its kind (ours, other or missed)."""

    label: str
    length: float
    shown: str
    kind: str = "other"


def bars(title: str, content: Sequence[Bar], *, mark: float | None = None) -> str:
    """A chart of bars from the same start; `mark` draws a line at one length."""
    room = WIDTH - LABELS - FIGURES
    longest = max([bar.length for bar in content] + ([] if mark is None else [mark * 1.1])) or 1.0
    height = TOP + LINE * len(content) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for number, bar in enumerate(content):
        top = TOP + LINE * number
        width = max(1.0, room * bar.length / longest)
        parts += [
            f'<text x="{LABELS - 8}" y="{top + 15}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{bar.kind}" x="{LABELS}" y="{top + 3}" width="{width:.1f}" height="{LINE - 8}"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{top + 15}">{escape(bar.shown)}</text>',
        ]
    if mark is not None:
        x = LABELS + room * mark / longest
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 6}"/>')
    return "\n".join([*parts, "</svg>", ""])
