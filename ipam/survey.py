"""What is wrong with the files of a network: for a person who looks, changing nothing.

Takes no lock and no index, and so sees what the next operation would clean up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cni_spec.names import check_container_id, check_ifname
from ipam.directory import LAST_RESERVED, LOCK, NOBODY, Owner, parse_owner
from ipam.keys import parse_name


@dataclass(frozen=True)
class Problem:
    """A file that is not as it should be, and what to do about it."""

    network: str
    name: str
    what: str
    advice: str


def network_names(data_dir: Path) -> list[str]:
    """Return the networks that have a directory."""
    if not data_dir.is_dir():
        return []
    return sorted(one.name for one in data_dir.iterdir() if one.is_dir() and not one.name.startswith("."))


def find_problems(data_dir: Path, network: str) -> Iterator[Problem]:
    """Yield files that are empty, damaged, or no reservations at all."""
    for path in sorted((data_dir / network).iterdir()):
        if path.name == LOCK or path.name.startswith(LAST_RESERVED):
            continue
        if parse_name(path.name) is None:
            yield Problem(
                network, path.name, "is no address", "move it away: host-local reads every file here"
            )
        elif not path.is_file():
            yield Problem(network, path.name, "is no file", "remove it: the address cannot be given")
        elif complaint := _judge(parse_owner(path.read_bytes())):
            yield Problem(network, path.name, *complaint)


def _judge(owner: Owner) -> tuple[str, str] | None:
    if owner == NOBODY:
        return "is empty: a plugin died", "nothing: the next ADD or DEL of ours removes it"
    try:
        check_container_id(owner.container_id)
        check_ifname(owner.ifname or "eth0")  # files of old say no interface
    except ValueError as error:
        return f"is damaged: {error}", "release it if no container has the address"
    return None
