"""Pods of a lab: network namespaces in a node, attached by the real executables as a runtime does it.

A pod's processes are a web server that says the pod's name, where busybox is there; one that is wished for
counts as well (`web`). Its resolv.conf is what kubelet would write, in /etc/netns of its node: ip-netns(8)
puts it into place for what is run in the pod.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cni_spec.errors import INVALID_CONFIG, CniError
from cni_spec.json_input import JsonObject
from cni_spec.result import read_result
from cni_spec.versions import LATEST_VERSION
from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import load_network
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime
from podwire.lab.blueprint import NETWORK, PLUGINS, ZONE
from podwire.lab.errors import LabError
from podwire.lab.inside import Work, root

CONF_DIR, CACHE_DIR, NETNS_NAMES = Path("/etc/cni/net.d"), Path("/var/lib/cni"), Path("/run/netns")
IFNAME = "eth0"
WEB_PORT = 80
WEB = Path(__file__).with_name("web.py")
PATIENCE = 5.0  # seconds for a pod's processes to end by themselves
ETC_NETNS = Path("/etc/netns")  # ip-netns(8)


@dataclass(frozen=True)
class Wish:
    """What a pod is to have: labels, a web server on a port (0: none), a cluster's DNS servers."""

    labels: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    dns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pod:
    """A pod that was attached. `pid` is process 1 of its node, `addresses` without prefix lengths."""

    node: str
    name: str
    pid: int
    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.node}/{self.name}"

    @property
    def netns(self) -> Path:
        """Return its namespace, as it can be opened from here."""
        return root(self.pid, str(NETNS_NAMES / self.name))

    def address(self, version: int) -> str:
        """Return its first address of a family, "" if it has none."""
        return next((one for one in self.addresses if (":" in one) == (version == 6)), "")


def pods_of(node: str, pid: int) -> list[Pod]:
    """Return a node's pods, by the runtime's cache of results; those that agents run have no named netns."""
    found = []
    for one in ResultCache(root(pid, str(CACHE_DIR))).attachments(NETWORK):
        if Path(one.target.netns).parent != NETNS_NAMES:
            continue
        result = read_result(one.result or {}, LATEST_VERSION)
        addresses = tuple(str(ip.address).partition("/")[0] for ip in result.ips)
        found.append(Pod(node, Path(one.target.netns).name, pid, addresses))
    return sorted(found, key=lambda pod: (len(pod.name), pod.name))


def wish_of(labels: Iterable[str], port: int) -> Wish:
    """Read labels as KEY=VALUE. Raises CniError, code 7."""
    pairs = [one.partition("=") for one in labels]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise CniError(INVALID_CONFIG, f"{key!r}: expected a label as KEY=VALUE")
    return Wish({key: value for key, _, value in pairs}, port)


def begin_pod(node: str, pid: int, name: str, wish: Wish) -> Work:
    """Begin to make a pod."""
    return Work(f"pod {node}/{name}", pid, lambda: _add(node, name, wish))


def begin_removal(node: str, pid: int, name: str) -> Work:
    """Begin to take a pod away."""
    return Work(f"pod {node}/{name}", pid, lambda: _remove(node, name))


def next_name(taken: Iterable[str]) -> str:
    """Return the first name of a pod that is not taken."""
    known = set(taken)
    return next(name for number in range(1, 100_000) if (name := f"pod{number}") not in known)


def _add(node: str, name: str, wish: Wish) -> JsonObject:
    """Be a runtime and a kubelet, in the node."""
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        result = _runtime().add(load_network(NETWORK, CONF_DIR).network, _target(node, name))
        _name_servers(name, wish)
        _serve(node, name, wish)
    except BaseException:
        _ip("netns", "del", name)
        raise
    return result


def _remove(node: str, name: str) -> JsonObject:
    if not (NETNS_NAMES / name).exists():
        raise LabError(f"there is no pod {name} on {node}")
    _end_processes([int(pid) for pid in _ip("netns", "pids", name).split()])
    _runtime().delete(NETWORK, _target(node, name), lambda: load_network(NETWORK, CONF_DIR).network)
    for pid in _ip("netns", "pids", name).split():  # who came since
        with suppress(ProcessLookupError):  # it has ended
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "del", name)
    shutil.rmtree(ETC_NETNS / name, ignore_errors=True)
    return {}


def _end_processes(pids: Iterable[int]) -> None:
    """End processes as a kubelet does: SIGTERM, time to finish what they are at, SIGKILL."""
    descriptors = []
    deadline = time.monotonic() + PATIENCE
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended
            descriptors.append(os.pidfd_open(pid))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for descriptor in descriptors:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
        for descriptor in descriptors:
            select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        deadline += PATIENCE
    for descriptor in descriptors:
        os.close(descriptor)


def _runtime() -> Runtime:
    return Runtime(PluginRunner((PLUGINS,), os.environ), ResultCache(CACHE_DIR))


def _target(node: str, name: str) -> Target:
    return Target(f"lab-{node}-{name}", str(NETNS_NAMES / name), IFNAME)


def _name_servers(name: str, wish: Wish) -> None:
    """Write the pod's resolv.conf, and have names looked up there and nowhere else."""
    if not wish.dns:
        return
    from service_proxy.dns.pod_resolv_conf import ClusterDns, PodDns, pod_resolv_conf
    from service_proxy.dns.resolv_conf import read

    host = read(Path("/etc/resolv.conf"))
    folder = ETC_NETNS / name
    folder.mkdir(parents=True, exist_ok=True)
    written = pod_resolv_conf(PodDns("default"), ClusterDns(wish.dns, ZONE), host)
    (folder / "resolv.conf").write_text(str(written.file))
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")


def _serve(node: str, name: str, wish: Wish) -> None:
    """Start the pod's web server; it goes into the background by itself."""
    if wish.port:
        program = [sys.executable, "-I", "-S", str(WEB), f"{node}/{name}", str(wish.port)]
        _ip("netns", "exec", name, *program)
        return
    if shutil.which("busybox") is None:
        return
    folder = Path("/run/www") / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"{name}\n")
    _ip("netns", "exec", name, "busybox", "httpd", "-p", f"[::]:{WEB_PORT}", "-h", str(folder))


def _ip(*words: str) -> str:
    done = subprocess.run(
        ["ip", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"`ip {' '.join(words)}` ended with {done.returncode}", done.stdout.strip())
    return done.stdout
