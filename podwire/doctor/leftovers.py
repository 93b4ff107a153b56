"""Other networks' traces: devices without their daemon, a cni0 of another subnet, the order of conflists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import CniError
from linuxnet.netlink import Netlink
from linuxnet.numbers import ALIAS_PREFIX
from linuxnet.rtnetlink_answers import Link
from overlay.subnet import Subnet, enclosing
from pod_runner.cni.lists import list_files, read_list_file
from podwire.doctor.cluster import Cluster
from podwire.doctor.host_files import HostFiles
from podwire.doctor.software import CONF_FOLDER, PLUGIN_FOLDER
from podwire.doctor.verdict import State, Verdict
from podwire.install.launchers import is_launcher

FLANNEL_BRIDGE = "cni0"  # of flannel's delegate and of our bridge plugin by default


@dataclass(frozen=True)
class Foreign:
    """Devices of another network, by the start of their names, and the process (comm) that keeps them."""

    prefix: str
    owner: str
    process: str


FOREIGNERS = (
    Foreign("flannel", "flannel", "flanneld"),
    Foreign("vxlan.calico", "Calico", "calico-node"),
    Foreign("vxlan-v6.calico", "Calico", "calico-node"),
    Foreign("cali", "Calico", "calico-node"),
    Foreign("cilium_", "Cilium", "cilium-agent"),
    Foreign("lxc_health", "Cilium", "cilium-agent"),
    Foreign("antrea-", "Antrea", "antrea-agent"),
    Foreign("kube-bridge", "kube-router", "kube-router"),
    Foreign("weave", "Weave Net", "weaver"),
    Foreign("ovn-k8s-", "OVN-Kubernetes", "ovnkube"),
)


def look_at_leftovers(cluster: Cluster, files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on every other network that has devices here, and on cni0."""
    netlink = Netlink()
    try:
        links = [one for one in netlink.links() if not one.alias.startswith(ALIAS_PREFIX)]
        bridge = next((one for one in links if one.name == FLANNEL_BRIDGE), None)
        addresses = netlink.addresses(bridge.index) if bridge else []
    finally:
        netlink.close()
    yield from _foreign_devices(links, _running(), files.has(cluster.subnet_env)) or [
        Verdict("other networks", State.FINE, "no devices of theirs", "pods' addresses and routes")
    ]
    if bridge:
        held = [enclosing(one["address"], one["prefixlen"]) for one in addresses if one["scope"] == 0]
        yield _bridge(held, cluster.subnets)


def look_at_conflists(files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on which network a container runtime takes: the first file by name."""
    breaks = "which network pods get: containerd and CRI-O take the first file"
    paths = list_files(files.at(str(CONF_FOLDER)), ".conflist", ".conf", ".json")
    ours = [path for path in paths if _is_ours(path, files.at(str(PLUGIN_FOLDER)))]
    if ours and ours[0] != paths[0]:
        found = f"{paths[0].name} comes before {ours[0].name}"
        advice = f"mv {paths[0]} {paths[0]}.off, once no pod of it is left"
        yield Verdict("conflists", State.RISKY, found, breaks, advice)
        return
    yield Verdict("conflists", State.FINE, paths[0].name if paths else "none", breaks)


def _foreign_devices(links: list[Link], running: set[str], has_subnet_env: bool) -> list[Verdict]:
    found = []
    for foreign in FOREIGNERS:
        names = [one.name for one in links if one.name.startswith(foreign.prefix)]
        if not names:
            continue
        what = f"{', '.join(names[:5])}{'…' if len(names) > 5 else ''} of {foreign.owner}"
        breaks = f"traffic that {foreign.owner}'s old routes and rules still take"
        if foreign.process in running:
            verdict = Verdict("other networks", State.FINE, f"{what}: {foreign.process} runs", breaks)
        elif foreign.owner == "flannel" and has_subnet_env:
            verdict = Verdict("other networks", State.FINE, f"{what}, and its subnet.env", breaks)
        else:
            advice = "; ".join(f"ip link del {name}" for name in names)
            found_out = f"{what}, and no {foreign.process} runs"
            verdict = Verdict("other networks", State.RISKY, found_out, breaks, advice)
        found.append(verdict)
    return found


def _bridge(held: list[Subnet], subnets: tuple[Subnet, ...]) -> Verdict:
    """Compare cni0's addresses with the node's subnets: flannel's pods fail where they differ."""
    breaks = f"the next ADD: bridge {FLANNEL_BRIDGE} already has an address of another subnet"
    versions = {one.version for one in subnets}
    strange = [one for one in held if one.version in versions and not any(sub.covers(one) for sub in subnets)]
    if not strange:
        return Verdict(FLANNEL_BRIDGE, State.FINE, ", ".join(map(str, held)) or "no address", breaks)
    found = f"{', '.join(map(str, strange))}, and the node has {', '.join(map(str, subnets))}"
    return Verdict(
        FLANNEL_BRIDGE, State.BROKEN, found, breaks, f"ip link del {FLANNEL_BRIDGE}, without pods on it"
    )


def _running() -> set[str]:
    """Return the names of all processes, as far as /proc shows them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found.add(path.read_text().strip())
        except OSError:  # it has ended
            continue
    return found


def _is_ours(path: Path, plugins: Path) -> bool:
    try:
        network = read_list_file(path)
    except CniError:  # `podwire lint` says what is wrong with it
        return False
    return is_launcher(plugins / network.plugins[0].type)
