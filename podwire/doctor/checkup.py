"""Everything the doctor looks at, in order. A look that fails is a verdict too: what was not seen."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from cni_spec.errors import CniError
from linuxnet.errors import Busy, KernelError, MissingTool
from podwire.doctor.cluster import Cluster, look_at_cluster
from podwire.doctor.firewalls import look_at_firewalld, look_at_forward_chains, look_at_ufw
from podwire.doctor.host_files import HostFiles
from podwire.doctor.installation import look_at_agent, look_at_launchers
from podwire.doctor.kernel_features import look_at_kernel
from podwire.doctor.leftovers import look_at_conflists, look_at_leftovers
from podwire.doctor.limits import look_at_limits
from podwire.doctor.network_services import look_at_link_files, look_at_network_manager, look_at_networkd
from podwire.doctor.overlaps import look_at_overlaps
from podwire.doctor.packet_sizes import look_at_sizes
from podwire.doctor.pod_features import look_at_pods
from podwire.doctor.rootless import look_at_rootless
from podwire.doctor.software import PLUGIN_FOLDER, look_at_software
from podwire.doctor.sysctls import look_at_sysctls
from podwire.doctor.tunnel_ports import look_at_ports
from podwire.doctor.verdict import State, Verdict

Look = Callable[[], Iterator[Verdict]]
UNFIT = (KernelError, MissingTool, Busy, CniError, OSError)  # why a look may see nothing


def examine(cluster: Cluster, files: HostFiles) -> Iterator[Verdict]:
    """Yield all verdicts."""
    looks: dict[str, Look] = {
        "software": lambda: look_at_software(files),
        "launchers": lambda: look_at_launchers(files.at(str(PLUGIN_FOLDER))),
        "agent": look_at_agent,
        "kernel features": look_at_kernel,
        "pods": look_at_pods,
        "cluster networks": lambda: look_at_cluster(cluster),
        "tunnel ports": lambda: look_at_ports(cluster),
        "sysctls": lambda: look_at_sysctls(cluster),
        "limits": look_at_limits,
        "FORWARD policy": lambda: look_at_forward_chains(cluster),
        "firewalld": lambda: look_at_firewalld(cluster),
        "ufw": lambda: look_at_ufw(cluster, files),
        "systemd-networkd": lambda: look_at_networkd(files),
        "MAC policy": lambda: look_at_link_files(files),
        "NetworkManager": lambda: look_at_network_manager(files),
        "other networks": lambda: look_at_leftovers(cluster, files),
        "conflists": lambda: look_at_conflists(files),
        "overlapping networks": lambda: look_at_overlaps(cluster),
        "packet sizes": lambda: look_at_sizes(cluster),
        "rootless lab": look_at_rootless,
    }
    for name, look in looks.items():
        yield from seen_by(name, look)


def seen_by(name: str, look: Look) -> Iterator[Verdict]:
    """Yield what a look finds; where it may not look, a verdict that says why."""
    try:
        yield from look()
    except UNFIT as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        is_right = getattr(error, "errno", 0) in (errno.EPERM, errno.EACCES)
        advice = "sudo podwire doctor" if is_right else "mend that, and look again"
        yield Verdict(name, State.UNSEEN, why, f"what would be said of {name}", advice)
