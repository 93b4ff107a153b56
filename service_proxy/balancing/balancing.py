"""Balancing: the addresses of load balancers that this node has a part in, as the catalogue changes.

It listens to the catalogue, in the loop's thread, and tells the speaker which addresses there are and who
may have each. Only addresses of our pools are ever said on a link: others may be anybody's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cluster_store.conditions import Conditions
from cluster_store.store import Store
from service_proxy.allotment import is_ours
from service_proxy.balancing.announcer import Announcer
from service_proxy.balancing.holding import Candidates, candidates
from service_proxy.balancing.speaker import GIVING, TTL, Speaker
from service_proxy.catalogue import Catalogue, Touched
from service_proxy.model import Address, ServiceName

if TYPE_CHECKING:
    from service_proxy.balancing.giver import Giver  # ssl, where an API server is asked


class Balancing:
    """One node's part; made, started and stopped in the namespace whose links it speaks on."""

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        prefix: str,
        pools: tuple[str, ...],
        conditions: Conditions,
        giver: Giver | None = None,
        ttl: int = TTL,
    ) -> None:
        """`giver`: where services do not have addresses from their source. `ttl`: of leases, in seconds."""
        self._catalogue = catalogue
        self._pools = [ipaddress.ip_network(one) for one in pools]
        self._addresses: dict[ServiceName, Mapping[Address, Candidates]] = {}
        self._announcer = Announcer(conditions)
        self._speaker = Speaker(catalogue.node_name, store, prefix, self._announcer, conditions, ttl)
        self._giver = giver
        catalogue.listen(self._note)

    @property
    def held(self) -> Mapping[Address, str]:
        """Return the addresses that this node has, and on which link each is said."""
        return self._announcer.held

    def holders(self) -> Mapping[Address, str]:
        """Return which node has which address."""
        return self._speaker.holders()

    def start(self) -> None:
        """Begin."""
        self._announcer.start()
        self._speaker.start()
        if self._giver is not None:
            self._giver.start(self._speaker.gives)

    def stop(self) -> None:
        """Leave what this node has to others."""
        if self._giver is not None:
            self._giver.stop()
        self._speaker.stop()
        self._announcer.stop()

    def _note(self, touched: Touched) -> None:
        changed = False
        for name in touched.services:
            if self._giver is not None:
                changed |= self._giver.note(name, self._catalogue.services.get(name))
            now = self._wanted(name)
            if now != self._addresses.get(name, {}):
                changed = True
                self._addresses[name] = now
            if not now:
                self._addresses.pop(name, None)
        if changed:
            wanted = {key: who for one in self._addresses.values() for key, who in one.items()}
            gives = self._giver is not None and self._giver.has_any
            self._speaker.set(wanted | {GIVING: None} if gives else wanted)

    def _wanted(self, name: ServiceName) -> Mapping[Address, Candidates]:
        service = self._catalogue.services.get(name)
        if service is None or not is_ours(service):
            return {}
        mine = [one for one in service.load_balancer_ips if self._is_pooled(one)]
        return dict.fromkeys(mine, candidates(service, self._catalogue.slices_of(name))) if mine else {}

    def _is_pooled(self, address: Address) -> bool:
        return any(ipaddress.ip_address(address) in pool for pool in self._pools)
