"""What a node's owner may choose: the section [overlay] of agent.toml, one table for all modes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from cni_spec.config import SpecModel
from overlay.lease_keys import FLANNEL_PREFIX
from overlay.subnet import parse_address, parse_subnet

Seconds = Annotated[float, Field(gt=0, le=86_400, strict=False)]


def _address(text: str) -> str:
    if text:
        parse_address(text)
    return text


def _network(text: str) -> str:
    parse_subnet(text)
    return text


Address = Annotated[str, AfterValidator(_address)]


class OverlaySettings(SpecModel):
    """The overlay on one node; without `registry` there is none. Times in seconds.

    `net_conf`: a file with net-conf.json, written to a registry that has none. `node`: this node's name,
    by default NODE_NAME of the environment or the host's. `interface`, `public_ip`, `public_ipv6`: of the
    underlay, where the routes to the other nodes should not decide. `masquerade`: pods take the node's
    address on their way out of the cluster. `guard`: who is no node of this network does not get into the
    tunnels, and a node speaks for its own subnets only. `forward_use_pmtu`: let ICMP tell pods of smaller
    paths as well (net.ipv4.ip_forward_use_pmtu; a forged ICMP then can, too).
    """

    registry: str = ""
    prefix: str = FLANNEL_PREFIX
    net_conf: str = ""
    node: str = ""
    zone: str = ""
    interface: str = ""
    public_ip: Address = ""
    public_ipv6: Address = ""
    masquerade: bool = True
    no_masquerade: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    guard: bool = True
    forward_use_pmtu: bool = False
    subnet_env: str = "/run/flannel/subnet.env"
    state: str = "/var/lib/podwire/overlay"
    probe_interval: Seconds = 5.0
    mtu_interval: Seconds = 60.0
    resync_interval: Seconds = 60.0
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    kubeconfig: str = ""

    @property
    def node_name(self) -> str:
        """Return this node's name."""
        return self.node or os.environ.get("NODE_NAME", "") or socket.gethostname()

    @property
    def folder(self) -> Path:
        """Return where the overlay keeps what it must remember."""
        return Path(self.state)
