"""Other firewalls: chains that drop what is forwarded, firewalld, ufw, Docker."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from linuxnet.errors import KernelError
from linuxnet.firewalld import ZoneSource, is_running
from linuxnet.forward_chains import ForwardChain, legacy_forward_chains, nft_forward_chains
from linuxnet.kernel import Kernel
from linuxnet.nft import Nft
from linuxnet.numbers import NFT_OVERLAY_TABLE, NFT_TABLE
from podwire.doctor.cluster import ANY_NETWORK, Cluster
from podwire.doctor.host_files import HostFiles, parse_assignments
from podwire.doctor.software import lacking_capabilities
from podwire.doctor.verdict import State, Verdict

BREAKS = "packets between pods of different nodes, and between pods and the outside"
UFW_SWITCH, UFW_DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"


def look_at_forward_chains(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on every chain that drops by policy; one that says so if there is none."""
    if "CAP_NET_ADMIN" in lacking_capabilities():  # libnftables would say so on stderr
        raise KernelError(errno.EPERM, "list the chains that see forwarded packets")
    nft = Nft()
    try:
        chains = [one for one in nft_forward_chains(nft) if one.table not in (NFT_TABLE, NFT_OVERLAY_TABLE)]
    finally:
        nft.close()
    chains += legacy_forward_chains()
    verdicts = [_judge(chain, cluster) for chain in chains if chain.policy == "drop"]
    yield from verdicts or [Verdict("FORWARD policy", State.FINE, "no chain drops by policy", BREAKS)]


def look_at_firewalld(cluster: Cluster) -> Iterator[Verdict]:
    """Yield a verdict on firewalld: does it trust the cluster's networks?"""
    if not is_running():
        yield Verdict("firewalld", State.FINE, "it does not run", BREAKS)
        return
    with Kernel() as kernel:
        sources = [ZoneSource("trusted", str(one)) for one in cluster.networks]
        outside = [one for one in sources if one.difference(kernel) is not None]
    if sources and not outside:
        yield Verdict("firewalld", State.FINE, "it runs, and trusts the cluster's networks", BREAKS)
        return
    wanted = outside or [ZoneSource("trusted", ANY_NETWORK)]
    ports = f"firewall-cmd --add-port={cluster.vxlan_port}/udp"
    advice = "; ".join([*map(str, wanted), ports, "firewall-cmd --runtime-to-permanent"])
    yield Verdict("firewalld", State.BROKEN, "it runs, and does not trust pods", BREAKS, advice)


def look_at_ufw(cluster: Cluster, files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on ufw, by its files: what it has loaded is among the chains."""
    is_on = parse_assignments(files.read(UFW_SWITCH) or "").get("ENABLED", "no").lower() == "yes"
    policy = parse_assignments(files.read(UFW_DEFAULTS) or "").get("DEFAULT_FORWARD_POLICY", "DROP")
    if not is_on or policy.upper() == "ACCEPT":
        yield Verdict("ufw", State.FINE, "on, and forwards" if is_on else "off", BREAKS)
        return
    rules = [f"ufw route allow {way} {one}" for one in cluster.names for way in ("from", "to")]
    advice = "; ".join([*rules, f"ufw allow {cluster.vxlan_port}/udp"])
    yield Verdict("ufw", State.RISKY, f"on, with DEFAULT_FORWARD_POLICY={policy}", BREAKS, advice)


def _judge(chain: ForwardChain, cluster: Cluster) -> Verdict:
    version = {"ip": (4,), "ip6": (6,)}.get(chain.family, (4, 6))
    networks = [str(one) for one in cluster.networks if one.version in version]
    dropped = [one for one in networks if not chain.accepts(one)]
    if networks and not dropped:
        return Verdict("FORWARD policy", State.FINE, f"{chain}: drop, but pods are accepted", BREAKS)
    if cluster.networks and not networks:
        return Verdict("FORWARD policy", State.FINE, f"{chain}: drop, of a family without pods", BREAKS)
    advice = "; ".join(_accept(chain, one) for one in dropped or [ANY_NETWORK])
    found = f"{chain} drops what no rule of its own accepts"
    return Verdict("FORWARD policy", State.BROKEN, found, BREAKS, advice)


def _accept(chain: ForwardChain, network: str) -> str:
    """Return the commands that let a network pass; Docker keeps a chain for the host's owner."""
    is_docker = any("DOCKER-USER" in rule for rule in chain.rules)
    if chain.table == "filter" and chain.name == "FORWARD" and chain.family != "inet":
        tool = f"{chain.family}tables" + ("-legacy" if chain.is_legacy else "")
        into = "DOCKER-USER" if is_docker else "FORWARD"
        return "; ".join(f"{tool} -I {into} {way} {network} -j ACCEPT" for way in ("-s", "-d"))
    family = "ip6" if ":" in network else "ip"
    place = f"{chain.family} {chain.table} {chain.name}"
    return "; ".join(f"nft insert rule {place} {family} {way} {network} accept" for way in ("saddr", "daddr"))
