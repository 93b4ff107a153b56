"""What is known here of the cluster without asking anybody: its networks, this node's, its ports and MTU.

From /run/flannel/subnet.env (flannel's, or ours: the form is the same) and net-conf.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cni_spec.errors import CniError
from overlay.net_conf import GPE_PORT, VXLAN_PORT, NetConf, parse_net_conf
from overlay.record import Mode
from overlay.subnet import Subnet, enclosing, parse_subnet
from podwire.doctor.host_files import HostFiles, parse_assignments
from podwire.doctor.verdict import State, Verdict

SUBNET_ENV = "/run/flannel/subnet.env"
NET_CONFS = ("/etc/podwire/net-conf.json", "/etc/kube-flannel/net-conf.json")
ANY_NETWORK = "POD-NETWORK"  # in advice, where none is known


@dataclass(frozen=True)
class Cluster:
    """`networks` of the whole cluster, `subnets` of this node, `mtu` of its pods in bytes or None."""

    networks: tuple[Subnet, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    mtu: int | None = None
    vxlan_port: int = VXLAN_PORT
    gpe_port: int = GPE_PORT
    complaints: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the networks for a command line; a word to be replaced where none is known."""
        return [str(one) for one in self.networks] or [ANY_NETWORK]


def read_cluster(files: HostFiles, *, vxlan_port: int | None = None, gpe_port: int | None = None) -> Cluster:
    """Put together what the files say; ports that are given count more."""
    complaints: list[str] = []
    environment = parse_assignments(_read(files, SUBNET_ENV, complaints) or "")
    conf = _net_conf(files, complaints)
    networks = [*_subnets(environment, "NETWORK", complaints), *(conf.networks if conf else ())]
    mtu = environment.get("FLANNEL_MTU", "")
    ports = {conf.backend.mode: conf.backend.tunnel_port} if conf else {}
    return Cluster(
        networks=tuple(dict.fromkeys(networks)),
        subnets=tuple(_subnets(environment, "SUBNET", complaints)),
        mtu=int(mtu) if mtu.isdecimal() else None,
        vxlan_port=vxlan_port or ports.get(Mode.VXLAN, VXLAN_PORT),
        gpe_port=gpe_port or ports.get(Mode.GPE, GPE_PORT),
        complaints=tuple(complaints),
    )


def look_at_cluster(cluster: Cluster) -> Iterator[Verdict]:
    """Yield what is known, and what files could not be understood."""
    known = ", ".join(str(one) for one in cluster.networks)
    yield Verdict(
        "cluster networks", State.FINE, known or f"none in {SUBNET_ENV} or net-conf.json", "the overlay"
    )
    for complaint in cluster.complaints:
        advice = "mend the file, or remove it: `podwire overlay` writes its own"
        yield Verdict("cluster networks", State.RISKY, complaint, "the overlay; the looks below", advice)


def _read(files: HostFiles, path: str, complaints: list[str]) -> str | None:
    try:
        return files.read(path)
    except OSError as error:
        complaints.append(f"{path}: {error.strerror}")
        return None


def _net_conf(files: HostFiles, complaints: list[str]) -> NetConf | None:
    for path in NET_CONFS:
        text = _read(files, path, complaints)
        if text is None:
            continue
        try:
            return parse_net_conf(text, path)[0]
        except CniError as error:
            complaints.append(error.msg)
    return None


def _subnets(environment: dict[str, str], what: str, complaints: list[str]) -> Iterator[Subnet]:
    for key in (f"FLANNEL_{what}", f"FLANNEL_IPV6_{what}"):
        for text in filter(None, environment.get(key, "").split(",")):
            address, _, length = text.partition("/")
            try:  # a node's subnet is written with its gateway's address: 10.244.17.1/24
                yield enclosing(address, int(length)) if what == "SUBNET" else parse_subnet(text)
            except ValueError as error:
                complaints.append(f"{SUBNET_ENV}: {key}: {error}")
