"""What an ADD of firewall does, as values."""

from __future__ import annotations

from netaddr import IPNetwork

from cni_plugins.firewall.config import FirewallConfig
from cni_spec.addresses import host_network
from linuxnet.firewalld import ZoneSource
from linuxnet.forwarding import Admission, iptables_ops, nft_ops
from linuxnet.op import Op
from linuxnet.owner import Attachment


def plan(
    config: FirewallConfig,
    owner: Attachment,
    backend: str,
    pods: tuple[IPNetwork, ...],
    bridge: str,
    port: str,
) -> tuple[Op, ...]:
    """List the operations that admit the container, in the order they must run.

    `bridge` is the host's first interface in the result, `port` the host's end of the veth; "" if none.
    """
    if backend == "firewalld":
        return tuple(ZoneSource(config.firewalld_zone, str(host_network(pod.ip))) for pod in pods)
    policy = config.ingress_policy
    wanted = Admission(owner, pods, policy, bridge, port, config.iptables_admin_chain_name)
    return nft_ops(wanted) if backend == "nftables" else iptables_ops(wanted)
