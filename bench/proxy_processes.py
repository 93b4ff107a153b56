"""`podwire proxy` as a process that follows an API server, beside kube-proxy where there is one.

KUBE_PROXY names its program, or it is on PATH. Both get the same flags and the same services from the API
server of the tests, each in a namespace of its own. What is measured is what a client sees: from the start
of the process until the last service answers, and from one endpoint's exchange until the new one answers.
"""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import proxy_chains, proxy_objects
from bench.overlay_world import Box, boxes, memory_of, say
from bench.report import Row
from linuxnet.netns import inside
from tests.kube_api.server import ApiServer, running_api
from tests.services.api_registry import kubeconfig
from tests.services.objects import node, service_cidr

SIZE, QUICK_SIZE = 10_000, 1_000
EACH = 10  # endpoints of a service; the last service has one, which is here
CHANGES, QUICK_CHANGES = 20, 5
LONGEST = 120.0  # seconds that anything may take
OLD, NEW = "10.255.0.1", "10.255.0.2"


@dataclass
class Seen:
    """What one contender took: seconds, and MiB."""

    start: float = 0.0
    changes: list[float] = field(default_factory=list)
    memory: float = 0.0

    def figures(self) -> tuple[float, float, float]:
        """Return seconds of the start, milliseconds of half of the changes, MiB."""
        return self.start, median(self.changes) * 1e3, self.memory


def rows(*, is_quick: bool) -> Iterator[Row]:
    """Measure ours, and kube-proxy."""
    size, changes = (QUICK_SIZE, QUICK_CHANGES) if is_quick else (SIZE, CHANGES)
    say(f"podwire proxy with {size:,} services of an API server")
    ours, peer = _measure([sys.executable, "-m", "podwire", "proxy"], size, changes), None
    if program := kube_proxy():
        say(f"{program} with {size:,} services")
        peer = _measure([program, "--proxy-mode=nftables"], size, changes)
    what = f"{size:,} services of an API server" + ("" if peer else " (no kube-proxy here)")
    start, middle, memory = peer.figures() if peer else (None, None, None)
    yield Row(f"from its start, {what}", "s", ours.start, start)
    yield Row(f"an endpoint exchanged until it answers, {what}", "ms", ours.figures()[1], middle)
    yield Row(f"memory of the process, {what}", "MiB", ours.memory, memory)


def kube_proxy() -> str | None:
    """Return kube-proxy's program, if there is one."""
    return os.environ.get("KUBE_PROXY") or shutil.which("kube-proxy")


def _measure(command: Sequence[str], size: int, changes: int) -> Seen:
    seen = Seen()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (box,) = stack.enter_context(boxes(1))
        with inside(box.netns):
            api = stack.enter_context(running_api())
        _fill(api, size)
        (folder / "kubeconfig").write_text(kubeconfig(api.url))
        flags = [f"--kubeconfig={folder / 'kubeconfig'}", f"--hostname-override={proxy_objects.NODE}"]
        probe = stack.enter_context(_probe(box, size))
        started = time.perf_counter()
        process = box.start([*command, *flags])
        try:
            probe.wait_for(OLD)
            seen.start = time.perf_counter() - started
            for number in range(changes):
                seen.changes.append(_exchange(api, probe, size, (NEW, OLD)[number % 2]))
            seen.memory = memory_of(process.pid, "VmRSS")
        finally:
            process.kill()
            process.wait()
    return seen


def _fill(api: ApiServer, size: int) -> None:
    api.objects.create(node(proxy_objects.NODE, ["10.255.0.1"], ["10.255.0.0/24"], ""))
    api.of["servicecidrs"].create(service_cidr("kubernetes", ["10.96.0.0/12"]))
    for number in range(size):
        api.of["services"].create(proxy_objects.service(number))
        is_last = number == size - 1
        addresses = [OLD] if is_last else proxy_chains.endpoints_of(number, EACH)
        api.of["endpointslices"].create(proxy_objects.slice_of(number, addresses))


def _exchange(api: ApiServer, probe: Probe, size: int, to: str) -> float:
    """Exchange the last service's endpoint; return after how many seconds the new one answers."""
    started = time.perf_counter()
    api.of["endpointslices"].create(proxy_objects.slice_of(size - 1, [to]))
    probe.wait_for(to)
    return time.perf_counter() - started


class Probe:
    """Servers at both endpoints, and a client that asks the service who is behind it."""

    def __init__(self, box: Box, front: str) -> None:
        self._box, self._front = box, front
        self._selector = selectors.DefaultSelector()

    def serve(self, address: str) -> None:
        """Listen at an endpoint's address."""
        with inside(self._box.netns):
            server = socket.create_server((address, proxy_chains.TARGET), backlog=64)
        self._selector.register(server, selectors.EVENT_READ, address)

    def close(self) -> None:
        """Close the servers."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def wait_for(self, address: str) -> None:
        """Connect again and again until it is this endpoint that has the connection."""
        end = time.monotonic() + LONGEST
        while self._who() != address:
            if time.monotonic() > end:
                raise RuntimeError(f"{self._front} is not served by {address} within {LONGEST:.0f} s")
            time.sleep(0.001)  # between two trials

    def _who(self) -> str:
        with inside(self._box.netns), socket.socket() as client:
            client.settimeout(0.2)
            try:
                client.connect((self._front, proxy_chains.PORT))
            except OSError:
                return ""
            for key, _ in self._selector.select(0.2):
                key.fileobj.accept()[0].close()  # type: ignore[union-attr]
                return str(key.data)
        return ""


@contextmanager
def _probe(box: Box, size: int) -> Iterator[Probe]:
    box.run("ip route add 10.96.0.0/12 dev lo", *(f"ip address add {one}/32 dev lo" for one in (OLD, NEW)))
    probe = Probe(box, proxy_chains.cluster_ip(size - 1))
    try:
        for address in (OLD, NEW):
            probe.serve(address)
        yield probe
    finally:
        probe.close()
