"""Pods of a lab: network namespaces in a node, attached by the real executables as a runtime does it.

A pod's processes are a web server that says the pod's name, where busybox is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cni_spec.json_input import JsonObject
from cni_spec.result import read_result
from cni_spec.versions import LATEST_VERSION
from podwire.lab.blueprint import NETWORK, PLUGINS
from podwire.lab.errors import LabError
from podwire.lab.inside import Work, root
from podwire.runtime.cache import ResultCache
from podwire.runtime.derive import Target
from podwire.runtime.lists import load_network
from podwire.runtime.runner import PluginRunner
from podwire.runtime.runtime import Runtime

CONF_DIR, CACHE_DIR, NETNS_NAMES = Path("/etc/cni/net.d"), Path("/var/lib/cni"), Path("/run/netns")
IFNAME = "eth0"
WEB_PORT = 80


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
    """Return a node's pods, by the runtime's cache of results."""
    found = []
    for one in ResultCache(root(pid, str(CACHE_DIR))).attachments(NETWORK):
        result = read_result(one.result or {}, LATEST_VERSION)
        addresses = tuple(str(ip.address).partition("/")[0] for ip in result.ips)
        found.append(Pod(node, Path(one.target.netns).name, pid, addresses))
    return sorted(found, key=lambda pod: (len(pod.name), pod.name))


def begin_pod(node: str, pid: int, name: str) -> Work:
    """Begin to make a pod."""
    return Work(f"pod {node}/{name}", pid, lambda: _add(node, name))


def begin_removal(node: str, pid: int, name: str) -> Work:
    """Begin to take a pod away."""
    return Work(f"pod {node}/{name}", pid, lambda: _remove(node, name))


def next_name(taken: Iterable[str]) -> str:
    """Return the first name of a pod that is not taken."""
    known = set(taken)
    return next(name for number in range(1, 100_000) if (name := f"pod{number}") not in known)


def _add(node: str, name: str) -> JsonObject:
    """Be a runtime, in the node."""
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        result = _runtime().add(load_network(NETWORK, CONF_DIR).network, _target(node, name))
        _serve(name)
    except BaseException:
        _ip("netns", "del", name)
        raise
    return result


def _remove(node: str, name: str) -> JsonObject:
    if not (NETNS_NAMES / name).exists():
        raise LabError(f"there is no pod {name} on {node}")
    _runtime().delete(NETWORK, _target(node, name), lambda: load_network(NETWORK, CONF_DIR).network)
    for pid in _ip("netns", "pids", name).split():
        with suppress(ProcessLookupError):  # it has ended
            os.kill(int(pid), signal.SIGKILL)
    _ip("netns", "del", name)
    return {}


def _runtime() -> Runtime:
    return Runtime(PluginRunner((PLUGINS,), os.environ), ResultCache(CACHE_DIR))


def _target(node: str, name: str) -> Target:
    return Target(f"lab-{node}-{name}", str(NETNS_NAMES / name), IFNAME)


def _serve(name: str) -> None:
    """Start the pod's web server; it goes into the background by itself."""
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
