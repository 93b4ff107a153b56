"""A picture as SVG: text is cropped to its box, and whole in the tip of who points at it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from podwire.map.drawing import TEXT_ADVANCE, TITLE_ADVANCE, label, rectangle, svg
from podwire.map.picture import Box, Line, Picture
from podwire.map.words import cropped, plain

STYLE = """
polyline,path{fill:none;stroke:#57606a;stroke-width:2} .bus{stroke:#9a6700;stroke-width:4} .w{stroke:#9a6700}
.to{stroke:#8250df;opacity:.5} .svc{fill:#fbefff} .no{fill:#8250df;stroke:none;rx:4}
.not{fill:#fff;font-size:11px} .bad{stroke:#cf222e;stroke-width:3}"""
BORDER = "ns"  # the class of boxes that others are in
INDENT = 10  # pixels from a box's border to its text
MOST_NUMBERS = 4  # of services in one box; the rest are in the services' own tips
DIGIT = 7  # pixels a digit, of 11


def document(picture: Picture) -> str:
    """Return the whole file: borders, then lines, then what stands on them."""
    borders = [box for box in picture.boxes if box.kind == BORDER]
    others = [box for box in picture.boxes if box.kind != BORDER]
    parts = [*map(_box, borders), *map(_line, picture.lines), *map(_box, others)]
    parts += [label(one.x, one.y, one.text, one.kind) for one in picture.labels]
    return svg(picture.width, picture.height, parts, STYLE) + "\n"


def _line(one: Line) -> str:
    places = [f"{x:g},{y:g}" for x, y in one.points]
    if one.is_curve:
        return f'<path class="{one.kind}" d="M{places[0]} C{" ".join(places[1:])}"/>'
    return f'<polyline class="{one.kind}" points="{" ".join(places)}"/>'


def _box(one: Box) -> str:
    kind = f"{one.kind} bad" if one.is_wrong else one.kind
    tip = f"<title>{escape(one.tip)}</title>" if one.tip else ""
    return "\n".join(
        ["<g>" + tip + rectangle(one.x, one.y, one.width, one.height, kind), *_text(one), "</g>"]
    )


def _text(one: Box) -> Iterator[str]:
    """Yield a box's texts: numbers and `aside` from the right, the title in what is left, then lines."""
    base = one.y + (one.height / 2 + 5 if one.height <= 2 * INDENT + 14 else 22)
    right = one.right - INDENT
    for number in reversed(one.numbers[:MOST_NUMBERS]):
        width = DIGIT * len(str(number)) + 8
        right -= width
        yield rectangle(right, base - 12, width, 15, "no")
        yield label(right + 4, base, str(number), "not")
        right -= 4
    if one.aside:
        aside = cropped(plain(one.aside), int((right - one.x) * 0.7 / TEXT_ADVANCE))
        yield label(right, base, aside, "s", ends_here=True)
        right -= len(aside) * TEXT_ADVANCE + 8
    room = int((right - one.x - INDENT) / TITLE_ADVANCE)
    yield label(one.x + INDENT, base, cropped(plain(one.title), room), "h")
    size = int((one.width - 2 * INDENT) / TEXT_ADVANCE)
    for place, text in enumerate(one.lines):
        yield label(one.x + INDENT, one.y + 42 + 19 * place, cropped(plain(text), size))
