"""A range of numbers of which each is given once: offsets of ClusterIPs, NodePorts. Pure.

The low part is kept for who asks for a certain number, as long as there is any other (the API server's way:
KEP-3070, KEP-3668). Which number somebody gets follows from his name: nodes that cannot ask each other
still agree, unless two names meet, and a restart changes nothing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

DRAWS = 64  # by name; at nine tenths full one in a thousand finds none so, and then all are looked at
_EIGHT = struct.Struct(">8Q")


def address_band(size: int) -> int:
    """Return how many addresses of a range of `size` are kept: a sixteenth, 16 at least, 256 at most."""
    return 0 if size <= 16 else min(max(16, size // 16), 256)


def port_band(size: int) -> int:
    """Return how many of `size` NodePorts are kept: a thirty-second, 16 at least, 128 at most."""
    return 0 if size < 16 else min(max(16, size // 32), 128)


@dataclass(frozen=True)
class NumberRange:
    """`size` numbers from `first` on; the lowest `band` of them are kept."""

    first: int
    size: int
    band: int = 0

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number < self.first + self.size

    def choose(
        self, name: str, is_free: Callable[[int], bool], taken: int, spared: Collection[int] = ()
    ) -> int | None:
        """Return a free number for a name, None if there is none; `taken`: how many are not free.

        O(1) but in a range that is nearly full. `spared` numbers are given to nobody who does not ask.
        """
        if taken >= self.size:
            return None
        upper = self.size - self.band
        for draw in self._draws(name, upper) if upper else ():
            if is_free(draw):
                return draw
        low, high = self.first + self.band, self.first + self.size
        start = low + (next(self._draws(name, upper)) - low if upper else 0)
        for scanned in (range(start, high), range(low, start), range(self.first, low)):
            for number in scanned:
                if number not in spared and is_free(number):
                    return number
        return None

    def _draws(self, name: str, upper: int) -> Iterator[int]:
        low = self.first + self.band
        for i in range(DRAWS // 8):
            digest = hashlib.blake2b(f"{i} {name}".encode("utf-8", "surrogatepass")).digest()
            yield from (low + drawn % upper for drawn in _EIGHT.unpack(digest))
