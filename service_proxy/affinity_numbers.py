"""Numbers of the service ports whose clients are remembered: they stay what they are, over restarts too.

All front ends of a port have one, so that a client is sent to one endpoint by whichever. They are kept in the
kernel's sets: `sticky` maps a front end to the number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from linuxnet.numbers import SCRATCH_ID, SCRATCH_MARKS
from linuxnet.service_entries import Entry
from service_proxy.front_ends import Exposed
from service_proxy.model import Algorithm, Service, ServiceName
from service_proxy.wanted import PortName

_MARK = struct.Struct("=I")
NUMBER_MAX = SCRATCH_MARKS[1] - SCRATCH_ID
_STICKY = ("sticky", "nodeport_sticky")  # and the family


class AffinityNumbers:
    """Who has which number."""

    def __init__(self) -> None:
        self._numbers: dict[ServiceName, dict[PortName, int]] = {}
        self._taken: set[int] = set()
        self._free: list[int] = []  # given back, below `_next`
        self._next = 0
        self._shown: dict[tuple[str, bytes], int] = {}

    def adopt(self, entries: Iterable[Entry]) -> None:
        """Learn which numbers the kernel shows, before any is given."""
        for name, key, data in entries:
            if name[:-1] in _STICKY:
                number = _MARK.unpack(data)[0] - SCRATCH_ID
                if 0 <= number <= NUMBER_MAX:
                    self._shown[name, key] = number
                    self._next = max(self._next, number + 1)

    def of(self, service: Service, front_ends: Iterable[Exposed]) -> Mapping[PortName, int]:
        """Return the numbers of a service's ports; none if it remembers nobody (a hash needs no memory)."""
        if not service.affinity_timeout or service.algorithm is not Algorithm.RANDOM:
            self.forget(service.name)
            return {}
        mine = self._numbers.setdefault(service.name, {})
        ports = {(port.name, port.protocol) for port in service.ports}
        for gone in mine.keys() - ports:
            self._give_back(mine.pop(gone))
        for one in front_ends:
            port = (one.port.name, one.port.protocol)
            if port not in mine and (shown := self._shown_at(one)) is not None:
                mine[port] = shown
                self._taken.add(shown)
        for port in sorted(ports - mine.keys()):
            mine[port] = self._take()
        return dict(mine)

    def forget(self, name: ServiceName) -> None:
        """Give a service's numbers back."""
        for number in self._numbers.pop(name, {}).values():
            self._give_back(number)

    def settle(self) -> None:
        """Forget what the kernel showed, once every service has been asked for."""
        for number in set(self._shown.values()) - self._taken:
            heappush(self._free, number)
        self._shown = {}

    def _shown_at(self, one: Exposed) -> int | None:
        """Return the number that the kernel shows at a front end, unless somebody has it already."""
        if not self._shown:
            return None
        kind = _STICKY[0] if one.front.address else _STICKY[1]
        number = self._shown.get((f"{kind}{one.front.family}", one.front.key))
        return None if number in self._taken else number

    def _take(self) -> int:
        if self._free:
            number = heappop(self._free)
        else:
            number, self._next = self._next, self._next + 1
        self._taken.add(number)
        return number

    def _give_back(self, number: int) -> None:
        self._taken.discard(number)
        if not self._shown:  # else `settle` does
            heappush(self._free, number)
