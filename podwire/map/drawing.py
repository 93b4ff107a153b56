"""Boxes, lines and text as SVG, and the colours of all our pictures; docs/draw_*.py draw with it as well.

Text is monospaced, so that who lays out knows how long it is without asking a font. Pure.
"""

from __future__ import annotations

from html import escape

# .ns what has borders of its own, .if interfaces, .br bridges and routing, .tun tunnels, .ul the underlay
STYLE = """text{font:13px ui-monospace,monospace;fill:#1b1f24}
.h{font-weight:bold} .s{fill:#57606a;font-size:12px} .n{fill:#9a6700;font-weight:bold}
rect{rx:8;stroke:#57606a;fill:#fff} .ns{fill:#f6f8fa;stroke-dasharray:5 4} .if{fill:#dafbe1} .br{fill:#ddf4ff}
.tun{fill:#fff8c5} .ul{fill:#eaeef2} line{stroke:#57606a;stroke-width:2} .w{stroke:#9a6700}
svg{background:#fff}"""
TITLE_ADVANCE, TEXT_ADVANCE = 7.9, 7.3  # pixels a character: 0.6 em and a little, of 13 and of 12 pixels


def box(x: int, y: int, width: int, height: int, kind: str, title: str, *lines: str) -> str:
    """Return a box with a title and lines of text."""
    text = [label(x + 14, y + 22, title, "h")]
    text += [label(x + 14, y + 44 + 19 * i, one, "s") for i, one in enumerate(lines)]
    return "\n".join([rectangle(x, y, width, height, kind), *text])


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a rectangle alone."""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def label(x: float, y: float, text: str, kind: str = "s", *, ends_here: bool = False) -> str:
    """Return a line of text; `ends_here`: x is its end."""
    anchor = ' text-anchor="end"' if ends_here else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{anchor} xml:space="preserve">{escape(text)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "") -> str:
    """Return a line."""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def svg(width: float, height: float, parts: list[str], more_style: str = "") -> str:
    """Return a whole document."""
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    body = "\n".join(parts)
    style = f"{STYLE}{more_style}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style}</style>\n{body}\n</svg>'
