"""Thing: one object that an attachment owns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Thing:
    """One object: where it is ("host", "container", "file"), its kind, its name, what there is to say."""

    where: str
    kind: str
    name: str
    detail: str = ""
    owner: str = ""  # the attachment's mark, "" for what is the container's as a whole
