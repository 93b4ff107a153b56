"""What an ADD of loopback does."""

from __future__ import annotations

from linuxnet.links import LinkState
from linuxnet.op import Op, Where

NAME = "lo"


def plan() -> tuple[Op, ...]:
    """List the operations: one. The kernel adds 127.0.0.1/8 and ::1/128 itself."""
    return (LinkState(Where.CONTAINER, NAME, up=True),)
