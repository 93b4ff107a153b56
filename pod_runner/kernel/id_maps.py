"""Ids of our own user namespace (user_namespaces(7)): the machine's has all, an ordinary user's one or some.

An id that it has not is no process's and no file's there: setresuid(2) and chown(2) say EINVAL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pod_runner.container.spec import IdMapping

OWN = Path("/proc/self")


ALL = (IdMapping(0, 0, (1 << 32) - 1),)


def own_users() -> tuple[IdMapping, ...]:
    """Return the users there are."""
    return read_map((OWN / "uid_map").read_text())


def own_groups() -> tuple[IdMapping, ...]:
    """Return the groups there are."""
    return read_map((OWN / "gid_map").read_text())


def read_map(text: str) -> tuple[IdMapping, ...]:
    """Read uid_map or gid_map."""
    return tuple(IdMapping(*map(int, row.split())) for row in text.splitlines())


def is_machines() -> bool:
    """Tell whether our user namespace is the first one: who is root there is the machine's root."""
    return own_users() == ALL


def may_set_groups() -> bool:
    """Tell whether groups can be given to a process: where an ordinary user has mapped one id, never."""
    try:
        return (OWN / "setgroups").read_text().strip() != "deny"
    except FileNotFoundError:  # before Linux 3.19 nobody could forbid it
        return True


def missing(wanted: Iterable[int], there: Sequence[IdMapping]) -> list[int]:
    """Return the ids that a map has not."""
    return [one for one in wanted if not any(row.inside <= one < row.inside + row.count for row in there)]


def said(there: Sequence[IdMapping]) -> str:
    """Return a map as a sentence has it: "0 alone", "0 to 65536"."""
    parts: list[list[int]] = []
    for row in sorted(there, key=lambda row: row.inside):
        if parts and row.inside == parts[-1][1] + 1:
            parts[-1][1] = row.inside + row.count - 1
        else:
            parts.append([row.inside, row.inside + row.count - 1])
    if len(parts) == 1 and parts[0][0] == parts[0][1]:
        return f"{parts[0][0]} alone"
    return ", ".join(f"{first} to {last}" if first != last else f"{first}" for first, last in parts)
