"""Bars as an SVG, readable in light and dark: three contenders a workload, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 170, 90, 13, 14, 64  # pixels
COLOURS = ("#8c959f", "#bf8700", "#1a7f37")
NAMES = ("Go plugins", "ours, without agent", "ours, by the agent")
STYLE = (
    "text{font:13px sans-serif;fill:#24292f}.t{font-weight:bold}.v{font-size:11px}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


@dataclass(frozen=True)
class Bar:
    """One workload: milliseconds of the peer, of ours in process, of ours by the agent."""

    name: str
    peer: float
    alone: float
    agent: float

    @property
    def values(self) -> tuple[float, float, float]:
        """Return them in the order they are drawn."""
        return self.peer, self.alone, self.agent


def draw(title: str, bars: Sequence[Bar]) -> str:
    """Return the picture."""
    longest = max(value for bar in bars for value in bar.values)
    height = TOP + len(bars) * (3 * BAR + GAP) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">',
        f"<style>{STYLE}</style>",
        f'<text class="t" x="10" y="22">{escape(title)} (logarithmic)</text>',
        *_legend(),
    ]
    for i, bar in enumerate(bars):
        lines += _group(bar, TOP + i * (3 * BAR + GAP), longest)
    return "\n".join([*lines, "</svg>", ""])


def _legend() -> list[str]:
    lines = []
    for i, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
        x = LEFT + i * 170
        lines.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="47">{name}</text>')
    return lines


def _group(bar: Bar, y: int, longest: float) -> list[str]:
    lines = [f'<text x="{LEFT - 10}" y="{y + 2 * BAR - 2}" text-anchor="end">{escape(bar.name)}</text>']
    for i, (value, colour) in enumerate(zip(bar.values, COLOURS, strict=True)):
        length = (WIDTH - LEFT - RIGHT) * math.log(1 + value) / math.log(1 + longest)
        top = y + i * BAR
        lines.append(f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 2}" fill="{colour}"/>')
        lines.append(f'<text class="v" x="{LEFT + length + 6:.1f}" y="{top + BAR - 3}">{value:.1f} ms</text>')
    return lines
