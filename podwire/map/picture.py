"""A picture before it is SVG: boxes, lines and labels with their places, in pixels. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A box; `aside` stands at the right end of its title's line, `numbers` of services beside that.

    `tip` is shown to who points at it: what had to be cropped. `is_wrong`: it is drawn in red.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str  # a class of drawing.STYLE or svg.STYLE
    title: str
    lines: tuple[str, ...] = ()
    aside: str = ""
    numbers: tuple[int, ...] = ()
    tip: str = ""
    is_wrong: bool = False

    @property
    def right(self) -> float:
        """Return where it ends."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Return where it ends."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Return the height of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Line:
    """A line through points; of a curve they are Bézier's, three for each piece after the first point."""

    points: tuple[Point, ...]
    kind: str = ""
    is_curve: bool = False


@dataclass(frozen=True)
class Label:
    """A line of text by itself."""

    x: float
    y: float
    text: str
    kind: str = "s"


@dataclass(frozen=True)
class Picture:
    """All of it, borders of nodes first, so that what is in them is drawn over them."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...] = ()


@dataclass
class Sheet:
    """What a picture is collected on, from outer boxes to inner ones."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def add(self, box: Box) -> Box:
        """Put a box down, and return it."""
        self.boxes.append(box)
        return box

    def connect(self, *points: Point, kind: str = "") -> None:
        """Draw a line."""
        self.lines.append(Line(points, kind))
