"""The chains that choose an endpoint: `Pick` (how) -> name -> text. Pure.

They are few, whatever the number of services: a chain says how many slots there are, the packet whose they
are. Those for 1 to 64 slots are there from the beginning, others are made on demand (service_table.py). The
name says all that the text does, so that a chain that is found is understood.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Masquerade = Literal["", "always", "own"]
Hashes = Literal["", "source", "port"]


class Verdict(NamedTuple):
    """What becomes of a packet."""

    action: Literal["goto", "jump", "drop"]
    chain: str = ""

    @property
    def data(self) -> bytes:
        """Return it as an entry's data has it."""
        return f"{self.action} {self.chain}".rstrip().encode()


class Pick(NamedTuple):
    """How a front end chooses among its endpoints.

    `hashes`: what of the client chooses from Maglev's table, its address or also its port; "": chance does.
    One that is sticky and hashes does so by the address alone, which is as sticky and needs no memory.
    `masquerade`: whose packets take the node's address: "", everybody's ("always"), the node's own ("own").
    """

    slots: int
    is_node_port: bool = False
    is_local: bool = False
    hashes: Hashes = ""
    is_sticky: bool = False
    masquerade: Masquerade = ""

    @property
    def chain(self) -> str:
        """Return the chain's name, as `masq_sticky_node_local_3`."""
        hashes = "source" if self.hashes and self.is_sticky else self.hashes
        words = [
            {"": "", "always": "masq", "own": "own"}[self.masquerade],
            "sticky" if self.is_sticky and not hashes else "",
            "node" if self.is_node_port else "",
            {"": "", "source": "source", "port": "hash"}[hashes],
            "local" if self.is_local else "" if hashes else "pick",
        ]
        return "_".join([*filter(None, words), str(self.slots)])

    @property
    def verdict(self) -> Verdict:
        """Return what leads to it."""
        return Verdict("goto", self.chain)


def remember_chain(seconds: int) -> str:
    """Return the name of the chain that remembers clients for so long."""
    return f"remember_{seconds}"
