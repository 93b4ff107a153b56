"""Host ports by iptables, with the reference plugins' chains, so that either can clean up after the other."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from netaddr import IPNetwork

from linuxnet.errors import Conflict
from linuxnet.hostports import HostPort, Wanted
from linuxnet.iptables import Chain, Rule, Rules, has_rules, is_available, run, saved_rules
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from linuxnet.owner import Attachment

ENTRY, SETMARK, MASQUERADE = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"


def iptables_ops(wanted: Wanted) -> tuple[Op, ...]:
    """List what makes the ports lead to the pod by iptables, with the reference plugins' chains."""
    families = sorted({pod.version for pod, _ in wanted.pairs()})
    chains: list[Chain] = []
    rules: list[Rule] = []
    for family in families:
        found = _iptables_family(wanted, family)
        chains += found[0]
        rules += found[1]
    return FreePorts(wanted), Rules(tuple(chains), tuple(rules))


@dataclass(frozen=True)
class FreePorts:
    """See that no port is another's: iptables itself would let the older rule win."""

    wanted: Wanted

    def __str__(self) -> str:
        return f"iptables -t nat -S {ENTRY}"

    def apply(self, kernel: Kernel) -> Op | None:
        """Raise Conflict naming the owner if a port is taken."""
        own = owner_chain(self.wanted.owner)
        for family in sorted({pod.version for pod, _ in self.wanted.pairs()}):
            for line in saved_rules(family, "nat"):
                match = re.search(rf"^-A {ENTRY} .*-p (\w+) .*--dports ([\d,]+) .*-j (CNI-DN-\w+)", line)
                if match and match[3] != own:
                    self._compare(match[1], set(match[2].split(",")), line)
        return None

    def _compare(self, protocol: str, taken: set[str], line: str) -> None:
        for port in self.wanted.ports:
            if port.protocol == protocol and str(port.host_port) in taken:
                who = re.search(r'name: \\"(.*?)\\" id: \\"(.*?)\\"', line)
                owner = f"container {who[2]} of network {who[1]}" if who else "another rule"
                raise Conflict(f"{port} is taken by {owner}")

    def difference(self, kernel: Kernel) -> str | None:
        """Return None: whose the ports are is told by the rules."""
        return None


def collect_chains(kernel: Kernel, network: str, valid: Iterable[Attachment]) -> None:
    """Remove the iptables chains of a network's attachments that are not listed."""
    valid = list(valid)
    keep = {owner_chain(one) for one in valid} | {reference_chain(one) for one in valid}
    for family in (4, 6):
        if has_rules(kernel, family, "nat") and is_available(family):
            mine = f'name: \\"{network}\\" id: '
            lines = [
                line
                for line in saved_rules(family, "nat")
                if line.startswith(f"-A {ENTRY} ") and mine in line
            ]
            stale = {line.rpartition(" -j ")[2] for line in lines} - keep
            remove_chains(family, {name for name in stale if name.startswith("CNI-DN-")})


def owner_chain(owner: Attachment) -> str:
    """Return the chain of one attachment: the reference's form, but each interface has its own."""
    return "CNI-DN-" + _sha512(owner.network + owner.container_id + owner.ifname)[:21]


def reference_chain(owner: Attachment) -> str:
    """Return the chain a reference plugin makes for a container on a network, whatever its interface."""
    return "CNI-DN-" + _sha512(owner.network + owner.container_id)[:21]


def remove_chains(family: int, chains: set[str]) -> None:
    """Remove chains and the rules of the shared chain that lead to them; gone already is fine."""
    lines = saved_rules(family, "nat") if chains else []
    for line in lines:
        if line.startswith(f"-A {ENTRY} ") and line.rpartition(" -j ")[2] in chains:
            run(family, "-t", "nat", "-D", *shlex.split(line)[1:])
    names = {line.split(" ")[1] for line in lines} & chains
    for name in sorted(names):
        run(family, "-t", "nat", "-F", name)
        run(family, "-t", "nat", "-X", name)


def _iptables_family(wanted: Wanted, family: int) -> tuple[list[Chain], list[Rule]]:
    entry, own = Chain(family, "nat", ENTRY, own=False), Chain(family, "nat", owner_chain(wanted.owner))
    setmark = wanted.set_mark_chain or SETMARK
    mark = f"0x{1 << wanted.mark_bit:x}/0x{1 << wanted.mark_bit:x}"
    chains, rules = [entry, own], []
    for name in ("PREROUTING", "OUTPUT"):
        words = ("-m", "addrtype", "--dst-type", "LOCAL", "-j", ENTRY)
        rules.append(Rule(Chain(family, "nat", name, own=False), words))
    if wanted.snat and not wanted.set_mark_chain:
        marking, masquerading = (
            Chain(family, "nat", SETMARK, own=False),
            Chain(family, "nat", MASQUERADE, own=False),
        )
        chains += [marking, masquerading]
        says = ("-m", "comment", "--comment")
        rules.append(Rule(marking, (*says, "CNI portfwd masquerade mark", "-j", "MARK", "--set-xmark", mark)))
        hook = Chain(family, "nat", "POSTROUTING", own=False)
        rules.append(Rule(hook, (*says, "CNI portfwd requiring masquerade", "-j", MASQUERADE), first=True))
        rules.append(Rule(masquerading, ("-m", "mark", "--mark", mark, "-j", "MASQUERADE")))
    pairs = [(pod, port) for pod, port in wanted.pairs() if pod.version == family]
    rules += _entry_rules(wanted, entry, own, [port for _, port in pairs])
    rules += [rule for pod, port in pairs for rule in _port_rules(wanted, own, setmark, pod, port)]
    return chains, rules


def _entry_rules(wanted: Wanted, entry: Chain, own: Chain, ports: list[HostPort]) -> list[Rule]:
    """Lead to the attachment's chain; a multiport match takes 15 ports (linux/netfilter/xt_multiport.h)."""
    comment = f'dnat name: "{wanted.owner.network}" id: "{wanted.owner.container_id}"'[:255]
    conditions = wanted.conditions_of(entry.family)
    rules = []
    for protocol in sorted({port.protocol for port in ports}):
        numbers = sorted({port.host_port for port in ports if port.protocol == protocol})
        for start in range(0, len(numbers), 15):
            joined = ",".join(str(number) for number in numbers[start : start + 15])
            match = ("-p", protocol, "-m", "multiport", "--destination-ports", joined)
            words = ("-m", "comment", "--comment", comment, *match, *conditions, "-j", own.name)
            rules.append(Rule(entry, words))
    return rules


def _port_rules(wanted: Wanted, own: Chain, setmark: str, pod: IPNetwork, port: HostPort) -> list[Rule]:
    match = ("-p", port.protocol, "--dport", str(port.host_port), *(("-d", str(port.at)) if port.at else ()))
    rules = []
    if wanted.snat:
        sources = [] if wanted.masq_all else [("-s", str(pod.cidr))]
        rules += [Rule(own, (*source, *match, "-j", setmark)) for source in sources]
        if wanted.masq_all:
            rules.append(Rule(own, (*match, "-j", setmark)))
        if own.family == 4:
            rules.append(Rule(own, ("-s", "127.0.0.1", *match, "-j", setmark)))
    target = f"{pod.ip}:{port.port}" if own.family == 4 else f"[{pod.ip}]:{port.port}"
    return [*rules, Rule(own, (*match, "-j", "DNAT", "--to-destination", target))]


def _sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()
