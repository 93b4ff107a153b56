"""Host ports: their removal in every backend, and what the reference plugins left."""

from __future__ import annotations

import json
from dataclasses import dataclass

from netaddr import IPAddress

from linuxnet.conntrack import Flows, ForgetFlows
from linuxnet.hostports import UNTRACKED
from linuxnet.hostports_iptables import owner_chain, reference_chain, remove_chains
from linuxnet.iptables import has_rules, is_available
from linuxnet.kernel import Kernel
from linuxnet.nft_conditions import RemoveConditionRules
from linuxnet.nft_element import Element
from linuxnet.nft_elements import RemoveOwned
from linuxnet.nft_slots import SLOT
from linuxnet.op import Inverse, Op
from linuxnet.owner import Attachment

SETS = ("hostport", "hairpin")  # prefixes of the names of ours in podwire.nft
REFERENCE_TABLE = "cni_hostport"  # in families ip and ip6; the reference's nftables backend


@dataclass(frozen=True)
class RemoveHostPorts(Inverse):
    """Remove an attachment's host ports in every backend, and what the reference plugins left for it."""

    owner: Attachment

    def __str__(self) -> str:
        elements = f"nft delete element … comment {json.dumps(self.owner.mark)}"
        return f"{elements}; iptables -t nat -X {owner_chain(self.owner)}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove them, then forget the flows they had."""
        gone = RemoveOwned(self.owner, SETS).take(kernel)
        kernel.apply(RemoveConditionRules(self.owner.mark))
        for family in (4, 6):
            if has_rules(kernel, family, "nat") and is_available(family):
                remove_chains(family, {owner_chain(self.owner), reference_chain(self.owner)})
        remove_reference_rules(kernel, self.owner.container_id)
        flows = tuple(dict.fromkeys(flow for one in gone for flow in _flows_of(one)))
        kernel.apply(ForgetFlows(flows))
        return None


def remove_reference_rules(kernel: Kernel, container_id: str) -> None:
    """Remove what the reference's nftables backend made; its comment tells the container alone."""
    for family in ("ip", "ip6"):
        if not kernel.ruleset.has_table(family, REFERENCE_TABLE):
            continue
        for one in kernel.nft.query(f"list table {family} {REFERENCE_TABLE}"):
            rule = one.get("rule", {})
            if rule.get("comment") == container_id:
                place = f"{family} {REFERENCE_TABLE} {rule['chain']} handle {rule['handle']}"
                kernel.nft.run(f"delete rule {place}")


def _flows_of(element: Element) -> list[Flows]:
    """Return the flows that a host port's element has led to its pod."""
    if not element.name.startswith("hostport"):
        return []
    words = element.key.split(" . ")
    *_, protocol, number = words[:-1] if element.name.startswith(SLOT) else words
    if protocol not in UNTRACKED:
        return []
    return [Flows(protocol, int(number), answered_by=IPAddress(element.data.split(" . ")[0]))]
