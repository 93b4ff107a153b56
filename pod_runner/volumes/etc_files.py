"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a pod, as kubelet writes them (kubelet_pods.go)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from pod_runner.manifests.pod import HostAlias, Pod
from pod_runner.supervisor.order import PodOrder
from service_proxy.dns.pod_resolv_conf import ClusterDns, DnsPolicy, PodDns, pod_resolv_conf
from service_proxy.dns.resolv_conf import ResolvConf, read

ETC_FILES = ("hosts", "hostname", "resolv.conf")
HOSTNAME_MAX = 63  # bytes; the kernel takes 64 (HOST_NAME_MAX), a DNS label has 63
LOCAL_NAMES = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
NODE_NAMES = "# Kubernetes-managed hosts file (host network).\n"
NODE_RESOLV_CONF = Path("/etc/resolv.conf")
# Where systemd-resolved answers at a loopback address, the servers that it asks itself (resolved.conf(5))
RESOLVED = Path("/run/systemd/resolve/resolv.conf")


def write_etc(order: PodOrder, pod: Pod, addresses: Sequence[str], node: Path = Path("/")) -> list[str]:
    """Write the files into the pod's folder; return what had to be left out, as sentences.

    `addresses` are the pod's. Written in place: containers that run have these files mounted. `node` is where
    the node's own files are.

    Raises:
        OSError: they cannot be written.
    """
    folder = order.folder / "etc"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    resolv_conf, warnings = _resolv_conf(order, pod, node)
    for name, text in (
        ("hosts", hosts_text(order, pod, addresses, node)),
        ("hostname", f"{hostname_of(pod)}\n"),
        ("resolv.conf", resolv_conf),
    ):
        file = folder / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            file.chmod(0o644)
    return warnings


def hostname_of(pod: Pod) -> str:
    """Return the pod's host name: spec.hostname, else its own name, cut to what Linux takes (63)."""
    if pod.spec.host_network:
        return socket.gethostname()[:HOSTNAME_MAX]
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_MAX].rstrip("-.")


def hosts_text(order: PodOrder, pod: Pod, addresses: Sequence[str], node: Path) -> str:
    """Return /etc/hosts: the node's own with its network, else the pod's; and hostAliases."""
    if pod.spec.host_network:
        text = NODE_NAMES + _read_text(node / "etc/hosts")
    else:
        name = hostname_of(pod)
        whole = f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{order.node.zone}\t{name}"
        names = whole if pod.spec.subdomain else name
        text = LOCAL_NAMES + "".join(f"{address}\t{names}\n" for address in addresses)
    return text + _aliases(pod.spec.host_aliases)


def _aliases(aliases: Sequence[HostAlias]) -> str:
    lines = [f"{one.ip}\t" + "\t".join(one.hostnames) + "\n" for one in aliases]
    return "\n# Entries added by HostAliases.\n" + "".join(lines) if lines else ""


def _resolv_conf(order: PodOrder, pod: Pod, node: Path) -> tuple[str, list[str]]:
    config = pod.spec.dns_config
    asked = PodDns(
        pod.metadata.namespace or "default",
        DnsPolicy(pod.spec.dns_policy),
        pod.spec.host_network,
        ResolvConf(
            config.nameservers,
            config.searches,
            tuple(f"{one.name}:{one.value}" if one.value else one.name for one in config.options),
        ),
    )
    written = pod_resolv_conf(
        asked, ClusterDns(order.node.cluster_dns, order.node.zone), _node_resolv_conf(node)
    )
    warnings = list(written.warnings)
    if not pod.spec.host_network and (away := [one for one in written.file.nameservers if _is_loopback(one)]):
        warnings.append(f"name server {away[0]} is the node's own loopback: the pod does not reach it")
    return str(written.file), warnings


def _node_resolv_conf(node: Path) -> ResolvConf:
    """Return the node's file; where a stub on a loopback address answers for it, what that asks."""
    found = _read_resolv_conf(node / NODE_RESOLV_CONF.relative_to("/"))
    if found.nameservers and all(map(_is_loopback, found.nameservers)):
        behind = _read_resolv_conf(node / RESOLVED.relative_to("/"))
        return behind if behind.nameservers else found
    return found


def _read_resolv_conf(path: Path) -> ResolvConf:
    try:
        return read(path)
    except OSError:  # a node without one: its pods have what the cluster gives
        return ResolvConf()


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # a node without one
        return ""
