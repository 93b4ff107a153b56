"""What is known here of the cluster without asking anybody: its networks, this node's, its ports and MTU.

From [overlay] of agent.toml, the overlay's snapshot, net-conf.json, and subnet.env (flannel's, or ours).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from cni_plugins.journal import AGENT_CONFIG
from cni_spec.config import validate
from cni_spec.errors import CniError
from overlay.net_conf import GPE_PORT, VXLAN_PORT, NetConf, parse_net_conf
from overlay.record import Mode
from overlay.settings import OverlaySettings
from overlay.state import load_state
from overlay.subnet import Subnet
from overlay.subnet_env import SubnetEnv, parse_subnet_env
from podwire.doctor.host_files import HostFiles
from podwire.doctor.verdict import State, Verdict

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
    subnet_env: str = "/run/flannel/subnet.env"
    complaints: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the networks for a command line; a word to be replaced where none is known."""
        return [str(one) for one in self.networks] or [ANY_NETWORK]


def read_cluster(files: HostFiles, *, vxlan_port: int | None = None, gpe_port: int | None = None) -> Cluster:
    """Put together what the files say; ports that are given count more."""
    complaints: list[str] = []
    settings = _settings(files, complaints)
    environment = _subnet_env(files, settings.subnet_env, complaints)
    conf = _net_conf(files, settings, complaints)
    networks = [*(environment.networks if environment else ()), *(conf.networks if conf else ())]
    ports = {conf.backend.mode: conf.backend.tunnel_port} if conf else {}
    return Cluster(
        networks=tuple(dict.fromkeys(networks)),
        subnets=environment.subnets if environment else (),
        mtu=environment.mtu if environment else None,
        vxlan_port=vxlan_port or ports.get(Mode.VXLAN, VXLAN_PORT),
        gpe_port=gpe_port or ports.get(Mode.GPE, GPE_PORT),
        subnet_env=settings.subnet_env,
        complaints=tuple(complaints),
    )


def look_at_cluster(cluster: Cluster) -> Iterator[Verdict]:
    """Yield what is known, and what files could not be understood."""
    name, breaks = "cluster networks", "the overlay, and what is looked at below"
    known = ", ".join(str(one) for one in cluster.networks)
    yield Verdict(name, State.FINE, known or "none in subnet.env, net-conf.json or a snapshot", breaks)
    for complaint in cluster.complaints:
        yield Verdict(name, State.RISKY, complaint, breaks, "mend the file, or remove it")


def _settings(files: HostFiles, complaints: list[str]) -> OverlaySettings:
    try:
        section = tomllib.loads(_read(files, str(AGENT_CONFIG), complaints) or "").get("overlay", {})
        return validate(OverlaySettings, section)
    except tomllib.TOMLDecodeError as error:
        complaints.append(f"{AGENT_CONFIG}: {error}")
    except CniError as error:
        complaints.append(f"{AGENT_CONFIG}: [overlay] {error.msg}")
    return OverlaySettings()


def _subnet_env(files: HostFiles, path: str, complaints: list[str]) -> SubnetEnv | None:
    text = _read(files, path, complaints)
    try:
        return None if text is None else parse_subnet_env(text)
    except ValueError as error:
        complaints.append(f"{path}: {error}")
        return None


def _net_conf(files: HostFiles, settings: OverlaySettings, complaints: list[str]) -> NetConf | None:
    """Return the snapshot's, which is what the registry said last; without one, a file's."""
    seen, problem = load_state(files.at(settings.state))
    complaints += [problem] if problem else []
    if seen.net_conf is not None:
        return seen.net_conf
    for path in filter(None, (settings.net_conf, *NET_CONFS)):
        text = _read(files, path, complaints)
        if text is None:
            continue
        try:
            return parse_net_conf(text, path)[0]
        except CniError as error:
            complaints.append(error.msg)
    return None


def _read(files: HostFiles, path: str, complaints: list[str]) -> str | None:
    try:
        return files.read(path)
    except OSError as error:
        complaints.append(f"{path}: {error.strerror}")
        return None
