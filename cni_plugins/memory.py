"""What a process keeps between requests. One request alone gets a fresh one, and the code is the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from ipam.kept import KeptIndexes
from linuxnet.memory import HostMemory


@dataclass
class Memory:
    """Everything in it can be read back: open sockets, open indexes, what was read at some generation."""

    host: HostMemory = field(default_factory=HostMemory)
    indexes: KeptIndexes = field(default_factory=KeptIndexes)

    def close(self) -> None:
        """Close everything."""
        self.host.close()
        self.indexes.close()
