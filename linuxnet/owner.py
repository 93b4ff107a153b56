"""Attachment, and the mark every object of ours carries.

A mark is one line, `NETWORK CONTAINER IFNAME`. No part can hold a space, so it splits again. Where it
would not fit (nft's comments take 127 bytes, and container ids may be long) the first two parts are
hashes behind a "#", which no name begins with; equality and "same network" can still be told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from linuxnet.numbers import ALIAS_PREFIX, NFT_COMMENT_LIMIT, VETH_PREFIX


@dataclass(frozen=True, order=True)
class Attachment:
    """One interface of one container on one network: what ADD makes and DEL removes."""

    network: str
    container_id: str
    ifname: str

    @property
    def mark(self) -> str:
        """Return the owner mark, at most 127 bytes."""
        plain = f"{self.network} {self.container_id} {self.ifname}"
        if len(plain.encode()) <= NFT_COMMENT_LIMIT:
            return plain
        return f"{_hash(self.network)} {_hash(self.container_id)} {self.ifname}"

    @property
    def alias(self) -> str:
        """Return the alias of a link that belongs to this attachment."""
        return ALIAS_PREFIX + self.mark

    @property
    def veth_name(self) -> str:
        """Return the host end's name: the same for every ADD, so that DEL needs nothing but the ids."""
        return VETH_PREFIX + hashlib.sha256(f"{self.container_id}{self.ifname}".encode()).hexdigest()[:8]


def is_of_network(mark: str, network: str) -> bool:
    """Tell whether a mark was made for an attachment to `network`."""
    parts = mark.split(" ")
    return len(parts) == 3 and parts[0] in (network, _hash(network))


def mark_of_alias(alias: str) -> str | None:
    """Return the mark in a link's alias, None if the link is not ours."""
    return alias.removeprefix(ALIAS_PREFIX) if alias.startswith(ALIAS_PREFIX) else None


def _hash(text: str) -> str:
    return "#" + hashlib.sha256(text.encode()).hexdigest()[:32]
