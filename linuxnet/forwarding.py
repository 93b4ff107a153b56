"""What lets a pod's packets be forwarded, and whom it is kept apart from, in either backend.

An accept in a table of ours does not overrule a drop in another's, so where the host's own FORWARD chain
drops by default (Docker does that) only the iptables backend, whose accept is in that chain, helps.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from netaddr import IPNetwork

from linuxnet.iptables import Chain, Rule, Rules, has_rules, is_available, run, saved_rules
from linuxnet.kernel import Kernel
from linuxnet.nft_element import Element, same_network
from linuxnet.nft_elements import Elements, RemoveOwned
from linuxnet.nft_rules import BaseRules
from linuxnet.op import Inverse, Op
from linuxnet.owner import Attachment

SETS = ("allowed", "restricted", "isolated")  # prefixes of the names of ours in podwire.nft
FORWARD, STAGE_1, STAGE_2 = "CNI-FORWARD", "CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2"


@dataclass(frozen=True)
class Admission:
    """What is wanted for one attachment: `pods` with their networks' lengths, and the ingress policy.

    `port` is the host's end of a veth on a bridge, `bridge` that bridge; "" where there is none.
    """

    owner: Attachment
    pods: tuple[IPNetwork, ...]
    policy: str  # open, same-bridge, isolated
    bridge: str = ""
    port: str = ""
    admin_chain: str = "CNI-ADMIN"


def nft_ops(wanted: Admission) -> tuple[Op, ...]:
    """List what admits the pod by nftables."""
    items: list[Element] = []
    for pod in wanted.pods:
        items.append(_element(f"allowed{pod.version}", str(pod.ip)))
        if wanted.policy != "open":
            items += [_element(f"restricted{pod.version}", str(pod.ip)), same_network(pod)]
    if wanted.policy == "isolated" and wanted.port:
        items.append(
            Element("bridge", "isolated_ports", f'"{wanted.port}"', what=f"isolation of {wanted.port}")
        )
    return (BaseRules(), Elements(wanted.owner.mark, tuple(items))) if items else ()


def iptables_ops(wanted: Admission) -> tuple[Op, ...]:
    """List what admits the pod by iptables, in the reference plugin's chains."""
    chains: list[Chain] = []
    rules: list[Rule] = []
    for family in sorted({pod.version for pod in wanted.pods}):
        more_chains, more_rules = _iptables_family(wanted, family)
        chains += more_chains
        rules += more_rules
    return (Rules(tuple(chains), tuple(rules)),) if rules else ()


@dataclass(frozen=True)
class RemoveAdmission(Inverse):
    """Remove what admitted an attachment, in either backend.

    `pods` are the addresses a reference plugin's rules are found by: they carry no owner.
    """

    owner: Attachment
    pods: tuple[IPNetwork, ...] = ()

    def __str__(self) -> str:
        mark = json.dumps(self.owner.mark)
        return f"nft delete element … comment {mark}; iptables -D {FORWARD} … --comment {mark}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove it; none is fine."""
        kernel.apply(RemoveOwned(self.owner, SETS))
        addresses = {str(pod.ip) for pod in self.pods}
        remove_rules(kernel, lambda mark, pod: mark == self.owner.mark or (not mark and pod in addresses))
        return None


def remove_rules(kernel: Kernel, predicate: Callable[[str, str], bool]) -> None:
    """Remove the rules of CNI-FORWARD that a predicate on (owner's mark, pod's address) picks."""
    for family in (4, 6):
        if not (has_rules(kernel, family, "filter") and is_available(family)):
            continue
        for line in saved_rules(family, "filter"):
            words = shlex.split(line)
            if words[1] == FORWARD and predicate(_after(words, "--comment"), _pod_of(words)):
                run(family, "-t", "filter", "-D", *words[1:])


def drops_by_default(kernel: Kernel) -> bool:
    """Tell whether the host's iptables FORWARD chain drops what nobody accepts."""
    return kernel.ruleset.chain_policy("ip", "filter", "FORWARD") == "drop"


def _element(name: str, key: str) -> Element:
    return Element("inet", name, key, what=f"{name} {key}")


def _iptables_family(wanted: Admission, family: int) -> tuple[list[Chain], list[Rule]]:
    entry = Chain(family, "filter", "FORWARD", own=False)
    forward, admin = (
        Chain(family, "filter", FORWARD, own=False),
        Chain(family, "filter", wanted.admin_chain, own=False),
    )
    rules = [
        Rule(entry, (*_says("CNI firewall plugin rules"), "-j", FORWARD), first=True),
        Rule(forward, (*_says("CNI firewall plugin admin overrides"), "-j", admin.name), first=True),
    ]
    owner = _says(wanted.owner.mark)
    for pod in (pod for pod in wanted.pods if pod.version == family):
        address = str(pod.ip)
        related = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
        rules.append(Rule(forward, ("-d", address, *related, *owner, "-j", "ACCEPT")))
        rules.append(Rule(forward, ("-s", address, *owner, "-j", "ACCEPT")))
    chains = [forward, admin]
    if wanted.policy != "open" and wanted.bridge:
        chains += [Chain(family, "filter", name, own=False) for name in (STAGE_1, STAGE_2)]
        rules += _isolation_rules(wanted, family)
    return chains, rules


def _isolation_rules(wanted: Admission, family: int) -> list[Rule]:
    """Keep bridges apart in two stages, as Docker does: from one of them, then to another of them."""
    entry, first, second = (
        Chain(family, "filter", name, own=False) for name in ("FORWARD", STAGE_1, STAGE_2)
    )
    says, bridge = _says("CNI firewall plugin rules (ingressPolicy: same-bridge)"), wanted.bridge
    rules = [
        Rule(first, ("-i", bridge, "!", "-o", bridge, *says, "-j", STAGE_2), first=True),
        Rule(second, ("-o", bridge, *says, "-j", "DROP"), first=True),
        Rule(entry, (*says, "-j", STAGE_1), first=True),
    ]
    if wanted.policy == "isolated":
        says = _says("CNI firewall plugin rules (ingressPolicy: isolated)")
        rules.append(Rule(first, ("-i", bridge, "-o", bridge, *says, "-j", "DROP"), first=True))
    return rules


def _says(comment: str) -> tuple[str, ...]:
    return "-m", "comment", "--comment", comment


def _after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1] if option in words else ""


def _pod_of(words: list[str]) -> str:
    return (_after(words, "-d") or _after(words, "-s")).partition("/")[0]
