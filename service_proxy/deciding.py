"""Decider: what the catalogue's services are to have in the kernel, one at a time, and what goes with it."""

from __future__ import annotations

from linuxnet.service_entries import Entry, Front, Pick, cluster_ip
from linuxnet.service_rules import Settings as RuleSettings
from service_proxy.catalogue import Catalogue, Touched
from service_proxy.conditions import Conditions
from service_proxy.model import ServiceName
from service_proxy.node_entries import NodeFacts, facts_of, node_entries, rules_of
from service_proxy.programmer import Wanted
from service_proxy.settings import ProxySettings


class Decider:
    """Decisions about the services of one catalogue, for one node."""

    def __init__(self, settings: ProxySettings, catalogue: Catalogue, conditions: Conditions) -> None:
        self._settings, self._catalogue, self._conditions = settings, catalogue, conditions
        self._aside: dict[ServiceName, str] = {}

    @property
    def facts(self) -> NodeFacts:
        """Return what is known of this node."""
        return facts_of(self._settings, self._catalogue.own_node, self._catalogue.service_cidrs.values())

    def rules(self) -> RuleSettings:
        """Return what a configuration changes in the rules."""
        return rules_of(self._settings, self.facts)

    def node_entries(self) -> list[Entry]:
        """Return the entries of no service."""
        return node_entries(self.facts)

    def touched(self, touched: Touched) -> frozenset[ServiceName]:
        """Return the services that are to be decided anew; those set aside get another trial."""
        for name in touched.services & self._aside.keys():
            del self._aside[name]
            self._conditions.tell("Refused", "", about=str(name))
        return touched.services

    def set_aside(self, name: ServiceName, why: str) -> None:
        """Leave a service out until it changes: the kernel refuses it."""
        self._aside[name] = why
        self._conditions.tell("Refused", why, about=str(name))

    def decide_all(self) -> dict[ServiceName, Wanted]:
        """Return what every service is to have."""
        return {name: self.decide(name) for name in self._catalogue.services}

    def decide(self, name: ServiceName) -> Wanted:
        """Return what a service is to have; nothing, if it is no more."""
        service = self._catalogue.services.get(name)
        if service is None or name in self._aside:
            return Wanted()
        found: list[Entry] = []
        for ip in service.cluster_ips:
            found.append(cluster_ip(ip))
            for port in service.ports:
                targets = [
                    (one.address, given.port)
                    for each in self._catalogue.slices_of(name)
                    for given in each.ports
                    if given.name == port.name and given.protocol == port.protocol
                    for one in each.endpoints
                    if one.is_ready and len(one.address) == len(ip)
                ]
                front = Front.at(ip, port.protocol, port.port)
                found += front.slots(targets)
                found.append(front.leads(Pick(len(targets)).verdict) if targets else front.refused())
        return Wanted(found)
