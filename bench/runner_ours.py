"""Our pods in a world, as a node's agent drives them: `-m bench.runner_ours NETWORK ROUNDS MANY AGENT`.

The peer of `bench.runner_peers`, measured by the same code. A pod is begun by its order and a request to the
spawner, and runs when its supervisor says so on the control socket. It is ended by `stop` without grace, and
has gone when its attachment, its cgroup and its folder have. NETWORK is "cni" or "none"; AGENT the process id
of the agent that our plugins ask. With `restart` for NETWORK: a second agent, that has pods, is killed; with
`probed`: the memory of pods with a probe.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.runner_peers import (
    AT_ONCE,
    FOREVER,
    NOTHING,
    Peer,
    Times,
    measure,
    measure_many,
    pss,
    pss_of,
)
from cni_spec.json_input import JsonObject
from pod_runner.cluster.bodies import rows, table
from pod_runner.images.store import ImageStore
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.manifests.reading import read
from pod_runner.node import by_hand
from pod_runner.node.orders import write_order
from pod_runner.node.removing import remove_pod
from pod_runner.node.supervisors import connect
from pod_runner.supervisor import client
from pod_runner.supervisor.order import SOCKET, NodePlaces, PodOrder
from pod_runner.supervisor.spawner import Spawner
from podwire.agent.client import ask
from podwire.agent.protocol import RUNNER, ProtocolError, Request
from podwire.demo.busybox_image import BUSYBOX
from podwire.demo.plugin_folder import OUR_FOLDER, PODWIRE

ARCHIVE = Path("/run/image.tar")
CONF_DIR = "/etc/cni/podwire.d"  # beside the peers' network
PLACES = NodePlaces(images="/run/podwire/images", cni_conf_dir=CONF_DIR, cni_path=(OUR_FOLDER,))
MAIN = "main"
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {annotations}}}
spec:
  containers:
  - {{name: main, image: {image}, imagePullPolicy: Never, command: {command}{probe}}}
"""
PROBE = ", readinessProbe: {exec: {command: [/bin/true]}, periodSeconds: 10}"  # kubelet's period
LISTENS_WITHIN = 20.0  # seconds
LOOK_EVERY = 0.001  # seconds; the agent looks less often (`node.supervisors`), and hears of all at once
SECOND = Path("/run/second.sock")  # of an agent that has pods
SETTINGS = f"""
[runner]
enabled = true
node = "{PLACES.name}"
max_pods = 1000
conf_dir = "{CONF_DIR}"
cni_path = ["{OUR_FOLDER}"]
images = "{PLACES.images}"
"""


def manifest(name: str, network: str, probe: str = "") -> str:
    """Return a pod that sleeps, as a person writes it."""
    annotations = {"podwire.io/network": "none"} if network == "none" else {}
    return MANIFEST.format(
        name=name,
        annotations=json.dumps(annotations),
        image=BUSYBOX,
        command=json.dumps(FOREVER),
        probe=probe,
    )


class Ours:
    """Pods by a spawner of our own; `prepare` them by name first, as an agent has their objects."""

    def __init__(self, network: str, agent: int, probe: str = "") -> None:
        self._network, self._agent, self._probe = network, agent, probe
        self._cgroups = Cgroups.detect()
        self._orders: dict[str, PodOrder] = {}
        self._spawner = Spawner()
        self._spawner.start()

    def close(self) -> None:
        """End the spawner."""
        self._spawner.close()

    def prepare(self, names: Iterator[str]) -> None:
        """Read the manifests of these."""
        for name in names:
            (placed,) = read(manifest(name, self._network, self._probe), name).objects
            self._orders[name] = PodOrder(by_hand.bound(placed.body, PLACES), PLACES)

    def as_peer(self) -> Peer:
        """Return what is measured."""
        return Peer(self.start, self.execute, self.end)

    def start(self, name: str) -> None:
        """Begin a pod, and return when its container runs."""
        order = self._orders[name]
        write_order(order)
        self._spawner.spawn(order.folder)
        _await_listener(order.folder)
        for status in client.watch(order.folder / SOCKET):
            if _is_running(status):
                return
        raise SystemExit(f"{name} has ended: {status}")

    def execute(self, name: str) -> None:
        """Run a command that does nothing."""
        null = os.open(os.devnull, os.O_RDWR)
        try:
            running = client.execute(self._orders[name].folder / SOCKET, MAIN, NOTHING, (null,) * 3)
            if code := running.wait():
                raise SystemExit(f"{NOTHING} ended with {code}")
            running.close()
        finally:
            os.close(null)

    def end(self, name: str) -> None:
        """End a pod, and return when nothing is left of it."""
        order = self._orders[name]
        client.stop(order.folder / SOCKET, 0)
        if said := remove_pod(order.uid, PLACES, self._cgroups):
            raise SystemExit(f"{name}: {said}")

    def memory(self) -> int:
        """Return what stays for idle pods: keepers, pause processes, the spawner; and all of the agent.

        Pods with probes have workers, too.
        """
        if not self._probe:
            _await_rest()
        agent = pss(Path(f"/proc/{self._agent}/smaps_rollup"))
        supervisors = pss_of("podwire-pod")
        if not supervisors:  # before the first: the spawner's pages are nobody else's yet
            return agent
        return agent + supervisors + pss_of("pause") + pss(Path(f"/proc/{self._spawner.pid}/smaps_rollup"))

    def restarts(self, names: list[str]) -> list[int]:
        """Return how often containers were restarted."""
        found = []
        for name in names:
            status = client.status(self._orders[name].folder / SOCKET)
            found += [int(str(one["restartCount"])) for one in rows(status, "containerStatuses")]
        return found


@contextmanager
def ours(network: str, agent: int, probe: str = "") -> Iterator[Ours]:
    """Hold pods and their spawner, with the image in their store."""
    store = ImageStore(Path(PLACES.images))
    if not store.list():
        store.add(ARCHIVE)
    held = Ours(network, agent, probe)
    try:
        yield held
    finally:
        held.close()


def measure_restart(held: Ours, number: int) -> Times:
    """Start so many pods and an agent that has them, kill it, and wait until the next one knows all.

    Raises:
        SystemExit: a container was restarted.
    """
    names = [f"kept{one}" for one in range(number)]
    held.prepare(iter(names))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(held.start, names))
        took = []
        for _ in range(3):
            began = time.monotonic()
            agent = subprocess.Popen(
                [*PODWIRE, "agent", "--socket", str(SECOND)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            _await_known(number)
            took.append((time.monotonic() - began) * 1000)
            agent.send_signal(signal.SIGKILL)
            agent.wait()
        if any(held.restarts(names)):
            raise SystemExit("a container was restarted")
        list(pool.map(held.end, names))
    return {"restart": took}


def _await_known(number: int) -> None:
    deadline = time.monotonic() + LISTENS_WITHIN
    while True:
        try:
            reply = ask(SECOND, Request(RUNNER, {}, b'{"ask": "status"}'), timeout=5)
            if json.loads(reply.stdout).get("supervised") == number:
                return
        except (OSError, ProtocolError, ValueError) as error:  # it does not listen yet
            if time.monotonic() > deadline:
                raise SystemExit(f"the agent does not know its pods: {error}") from error
        if time.monotonic() > deadline:
            raise SystemExit(f"the agent does not know its pods: {reply.stdout.decode()}")
        time.sleep(LOOK_EVERY)  # nothing tells


def _await_rest() -> None:
    """Wait until keepers are alone: idle pods are what is measured."""
    deadline = time.monotonic() + LISTENS_WITHIN
    while _workers():
        if time.monotonic() > deadline:
            raise SystemExit("workers of idle pods go on")
        time.sleep(LOOK_EVERY * 100)  # nothing tells that a worker has gone, and looking costs


def _workers() -> int:
    """Return how many supervisors have one for a parent."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it has ended
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if lines["Name"] == "podwire-pod":
                parents[status.parent.name] = lines["PPid"]
    return sum(parent in parents for parent in parents.values())


def _await_listener(folder: Path) -> None:
    deadline = time.monotonic() + LISTENS_WITHIN
    while time.monotonic() < deadline:
        try:
            connect(folder).close()
        except OSError:
            time.sleep(LOOK_EVERY)  # nothing tells that somebody listens
        else:
            return
    raise SystemExit(f"{folder}: no supervisor listens")


def _is_running(status: JsonObject) -> bool:
    return any(table(one, "state").get("running") for one in rows(status, "containerStatuses"))


def main(network: str, rounds: int, many: int, agent: int) -> None:
    """Measure, and print it."""
    probe = PROBE if network == "probed" else ""
    with ours(network if network in ("cni", "none") else "cni", agent, probe) as held:
        if network == "restart":
            found = measure_restart(held, many)
        elif probe:
            held.prepare(f"probed{one}" for one in range(many))
            found = {"memory probed": measure_many(held.as_peer(), many, held.memory, "probed")["memory"]}
        else:
            held.prepare(
                f"{kind}{one}"
                for kind, count in (("one", rounds + 1), ("many", many))
                for one in range(count)
            )
            found = measure(held.as_peer(), rounds)
            if many:
                found |= measure_many(held.as_peer(), many, held.memory)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
