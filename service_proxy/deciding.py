"""Decider: decisions as the loop asks for them: of the node as it is now, without what the kernel refuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cluster_store.conditions import Conditions
from linuxnet.service_entries import Entry
from linuxnet.service_rules import Settings as RuleSettings
from service_proxy.catalogue import Catalogue, Touched
from service_proxy.decisions import Decisions
from service_proxy.front_ends import Context
from service_proxy.model import Address, ServiceName
from service_proxy.node_entries import facts_of, node_entries, rules_of
from service_proxy.settings import ProxySettings
from service_proxy.wanted import Wanted

AT_ONCE = 100  # services that claim in one go: what that takes is given back before the next
REFUSED, SERVICE = "Refused", "NotServed"

Decided = Iterator[tuple[ServiceName, Wanted]]


class Decider:
    """Decisions about the services of one catalogue, for one node. `dns`: where its DNS server answers."""

    def __init__(
        self,
        settings: ProxySettings,
        catalogue: Catalogue,
        conditions: Conditions,
        dns: tuple[Address, ...] = (),
    ) -> None:
        self.facts = facts_of(settings, None, ())
        self._settings, self._catalogue, self._conditions, self._dns = settings, catalogue, conditions, dns
        self._decisions = Decisions(catalogue, self._context())
        self._aside: set[ServiceName] = set()
        self._spoken_of: set[ServiceName] = set()  # there is a condition about them

    def look_at_node(self) -> None:
        """Take in what this node's object and the ranges of ClusterIPs say now."""
        node, cidrs = self._catalogue.own_node, self._catalogue.service_cidrs.values()
        self.facts = facts_of(self._settings, node, cidrs)
        self._decisions.context = self._context()

    @property
    def context(self) -> Context:
        """Return what of this node decisions are made on."""
        return self._decisions.context

    def rules(self) -> RuleSettings:
        """Return what of this node is in the rules."""
        return rules_of(self._settings, self.facts)

    def node_entries(self) -> list[Entry]:
        """Return the entries of no service."""
        return node_entries(self.facts, self._dns)

    def touched(self, touched: Touched) -> frozenset[ServiceName]:
        """Return the services to be decided about anew; those set aside get another trial."""
        for name in touched.services & self._aside:
            self._aside.discard(name)
            self._conditions.tell(REFUSED, "", about=str(name))
        return touched.services

    def set_aside(self, name: ServiceName, why: str) -> None:
        """Leave a service out until it changes: the kernel refuses it."""
        self._aside.add(name)
        self._conditions.tell(REFUSED, why, about=str(name))

    def adopt(self, entries: Iterable[Entry]) -> None:
        """Learn from what the kernel has, before the first decision."""
        self._decisions.adopt(entries)

    def decide_all(self) -> Decided:
        """Yield what every service is to have, each once; nothing, for those that are no more."""
        names = list(self._decisions.names())
        for i in range(0, len(names), AT_ONCE):
            self._decisions.claim(names[i : i + AT_ONCE])
        yield from self._told(self._decisions.decide_claimed(names))
        self._decisions.settle()

    def decide(self, names: Iterable[ServiceName]) -> Decided:
        """Yield what services are to have, and others for whom that matters; nothing, if they are no more."""
        yield from self._told(self._decisions.decide(names).items())

    def _told(self, decided: Iterable[tuple[ServiceName, Wanted]]) -> Decided:
        for name, found in decided:
            if found.conditions or name in self._spoken_of:
                self._conditions.tell(SERVICE, "; ".join(found.conditions), about=str(name))
                (self._spoken_of.add if found.conditions else self._spoken_of.discard)(name)
            yield name, Wanted() if name in self._aside else found

    def look(self, name: ServiceName) -> Wanted:
        """Return what a service is to have, for who asks; that changes nothing."""
        return Wanted() if name in self._aside else self._decisions.look(name)

    def _context(self) -> Context:
        facts = self.facts
        return Context(
            facts.name, facts.zone, facts.addresses, self._settings.external_ips, self._settings.name
        )
