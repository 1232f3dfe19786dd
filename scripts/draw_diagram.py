"""Draws the pictures of the documents: each `docs/diagrams/*.txt` becomes an SVG beside it.

python scripts/draw_diagram.py            write
python scripts/draw_diagram.py --check    write nothing, fail when a picture is not what its text says
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "diagrams"

COLUMNS: Final = 24
COLUMN: Final = 40
MARGIN: Final = 16
ROW: Final = 76
GAP: Final = 46
"""Pixels: the width of a column, the frame, the height of a row, and the space between two rows."""

COLORS: Final = {
    "contract": ("#fdf0d5", "#b7791f"),
    "generated": ("#e8edf2", "#64748b"),
    "facade": ("#dcebfb", "#2b6cb0"),
    "queue": ("#dff3e4", "#2f855a"),
    "yours": ("#f3e8fb", "#805ad5"),
}
"""Fill and stroke of each kind of box."""

_ARROWHEAD: Final = (
    "<defs><marker id='head' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='8' markerHeight='8' "
    "orient='auto-start-reverse'><path d='M0 0 L10 5 L0 10 z' fill='#475569'/></marker></defs>"
)

FONT: Final = "font-family='system-ui, sans-serif'"

_BOX: Final = re.compile(
    r"box +(?P<name>\w+) +(?P<rows>[\d-]+) +(?P<columns>[\d-]+) +(?P<kind>\w+) *"
    r"\| *(?P<title>[^|]+?) *\| *(?P<text>[^|]+?) *"
)
_ARROW: Final = re.compile(r"arrow +(?P<start>\w+) +(?P<heads><?->) +(?P<end>\w+) *\| *(?P<label>[^|]*?) *")


class DiagramError(Exception):
    """A text that nothing can be drawn from; it names the file and the line."""


@frozen
class Box:
    """A box, in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    kind: str
    title: str
    text: str


@frozen
class Arrow:
    """An arrow between two boxes."""

    start: Box
    end: Box
    both_heads: bool
    label: str


def draw(text: str, *, name: str) -> str:
    """The picture that a text describes, as SVG.

    Args:
        text: The description; `docs/diagrams/layers.txt` says how it is written.
        name: What to call it in messages.

    Raises:
        DiagramError: A line says nothing that can be drawn.
    """
    boxes: dict[str, Box] = {}
    arrows: list[Arrow] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        box, arrow = _BOX.fullmatch(line), _ARROW.fullmatch(line)
        try:
            if box is not None:
                boxes[box["name"]] = _place(box)
            elif arrow is not None:
                heads = arrow["heads"] == "<->"
                arrows.append(Arrow(boxes[arrow["start"]], boxes[arrow["end"]], heads, arrow["label"]))
            else:
                raise DiagramError(f"{name}:{number}: neither a box nor an arrow: {line}")
        except KeyError as error:
            raise DiagramError(f"{name}:{number}: there is no {error.args[0]!r} to draw") from None
    width = 2 * MARGIN + COLUMNS * COLUMN
    height = MARGIN + max((box.bottom for box in boxes.values()), default=0)
    size = f"width='{width}' height='{height}'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' {size}>",
            _ARROWHEAD,
            f"<rect {size} rx='12' fill='#ffffff'/>",
            *(line for box in boxes.values() for line in _draw_box(box)),
            *(line for arrow in arrows for line in _draw_arrow(arrow)),
            "</svg>\n",
        ]
    )


def _place(found: re.Match[str]) -> Box:
    first_row, last_row = _span(found["rows"])
    first_column, last_column = _span(found["columns"])
    if found["kind"] not in COLORS:
        raise KeyError(found["kind"])
    return Box(
        left=MARGIN + (first_column - 1) * COLUMN,
        top=MARGIN + (first_row - 1) * (ROW + GAP),
        right=MARGIN + last_column * COLUMN,
        bottom=MARGIN + last_row * ROW + (last_row - 1) * GAP,
        kind=found["kind"],
        title=found["title"],
        text=found["text"],
    )


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _draw_box(box: Box) -> Iterator[str]:
    fill, stroke = COLORS[box.kind]
    width, height = box.right - box.left, box.bottom - box.top
    middle = (box.left + box.right) // 2
    lines = wrap(box.text, width=max(12, (width - 20) // 7))
    top = box.top + height // 2 - 9 * len(lines) + 3
    yield (
        f"<rect x='{box.left}' y='{box.top}' width='{width}' height='{height}' rx='8' fill='{fill}' "
        f"stroke='{stroke}' stroke-width='1.5'/>"
    )
    yield _write(box.title, middle, top, "font-size='17' font-weight='600' fill='#0f172a'")
    for number, line in enumerate(lines, start=1):
        yield _write(line, middle, top + 20 * number, "font-size='14' fill='#334155'")


def _draw_arrow(arrow: Arrow) -> Iterator[str]:
    start, end = arrow.start, arrow.end
    if start.bottom <= end.top:
        x = (max(start.left, end.left) + min(start.right, end.right)) // 2
        line = (x, start.bottom + 3, x, end.top - 3)
        place = (x + 10, (start.bottom + end.top) // 2 + 5, "start")
    else:
        y = (max(start.top, end.top) + min(start.bottom, end.bottom)) // 2
        line = (start.right + 3, y, end.left - 3, y)
        place = ((start.right + end.left) // 2, y - 9, "middle")
    x1, y1, x2, y2 = line
    begin = " marker-start='url(#head)'" if arrow.both_heads else ""
    yield (
        f"<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='#475569' stroke-width='1.5'{begin} "
        "marker-end='url(#head)'/>"
    )
    x, y, anchor = place
    yield _write(arrow.label, x, y, "font-size='14' font-style='italic' fill='#475569'", anchor=anchor)


def _write(text: str, x: int, y: int, look: str, *, anchor: str = "middle") -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}' {FONT} {look}>{escape(text)}</text>"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws all pictures, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    stale = 0
    for source in sorted(FOLDER.glob("*.txt")):
        picture = source.with_suffix(".svg")
        try:
            drawn = draw(source.read_text(encoding="utf-8"), name=source.name)
        except DiagramError as error:
            print(error, file=sys.stderr)
            return 1
        if not check:
            picture.write_text(drawn, encoding="utf-8")
        elif not picture.is_file() or picture.read_text(encoding="utf-8") != drawn:
            stale += 1
            print(f"{picture.name} is not what {source.name} says: run python scripts/draw_diagram.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
