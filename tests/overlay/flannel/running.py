"""podwire's overlay on a node of the recordings' world, and flannel's leases in a real etcd for it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from linuxnet.netns import inside, open_netns
from overlay.node import OverlayNode
from overlay.settings import OverlaySettings
from tests.cluster_store.etcd_server import EtcdServer
from tests.overlay.flannel.kernel import Kernel, difference, live
from tests.overlay.flannel.recordings import Lease
from tests.overlay.flannel.underlay import WIRE, Node

PREFIX = "/coreos.com/network"
WITHIN = 60.0  # seconds; on a busy machine
T = TypeVar("T")


def see(
    look: Callable[[], T],
    expected: T,
    explain: Callable[[T, T], str] = "{0} is not {1}".format,
    within: float = WITHIN,
) -> None:
    """Look until it is as expected; whatever it is at the end is told. `within` in seconds."""
    end = time.monotonic() + within
    while (seen := look()) != expected and time.monotonic() < end:
        time.sleep(0.02)  # the kernel is somebody else's: it is looked at, from outside
    assert seen == expected, explain(seen, expected)


class FlannelEtcd(EtcdServer):
    """An etcd on the wire, filled as flannel fills it."""

    def __init__(self, folder: Path) -> None:
        listen = f"http://127.0.0.1:2379,http://{WIRE}:2379"
        super().__init__(folder, options=("--listen-client-urls", listen))
        self.registry = f"etcd://{WIRE}:2379"

    def configure(self, text: str) -> None:
        """Write the network's configuration."""
        self.control("put", f"{PREFIX}/config", text)

    def put(self, lease: Lease, *, ttl: int = 86400) -> str:
        """Write a lease as a flanneld does, with a TTL of its own; return the TTL's id. `ttl` 0: none."""
        options = []
        granted = ""
        if ttl:
            granted = self.control("lease", "grant", str(ttl)).split()[1]
            options = [f"--lease={granted}"]
        self.control("put", *options, f"{PREFIX}/subnets/{lease.key}", lease.value)
        return granted

    def remove(self, lease: Lease) -> None:
        """Delete a lease's key."""
        self.control("del", f"{PREFIX}/subnets/{lease.key}")

    def revoke(self, granted: str) -> None:
        """Revoke a TTL, and the lease with it."""
        self.control("lease", "revoke", granted)

    def value(self, key: str) -> str:
        """Return a key's value below the prefix, "" for none."""
        return self.control("get", "--print-value-only", f"{PREFIX}/{key}").removesuffix("\n")

    def ttl_id(self, key: str) -> str:
        """Return the id of a key's TTL, as etcdctl has it."""
        found = json.loads(self.control("get", f"{PREFIX}/{key}", "--write-out", "json"))
        return f"{found['kvs'][0].get('lease', 0):x}"

    def ttl(self, key: str) -> int:
        """Return the seconds that a key's TTL was granted."""
        said = self.control("lease", "timetolive", self.ttl_id(key), "--write-out", "json")
        return int(json.loads(said)["granted-ttl"])

    def all_keys(self) -> list[str]:
        """Return all keys below the prefix."""
        lines = self.control("get", "--prefix", "--keys-only", f"{PREFIX}/").split()
        return [one.removeprefix(f"{PREFIX}/") for one in lines]


class Running:
    """The overlay of one node, in a thread that lives in the node's namespace.

    `subnet_env`: what that file says before it starts.
    """

    def __init__(
        self, node: Node, folder: Path, registry: str, *, subnet_env: str = "", **settings: Any
    ) -> None:
        self.node, self.folder = node, folder / node.name
        self.subnet_env = self.folder / "subnet.env"
        self.settings = OverlaySettings.model_validate(
            {
                "registry": registry, "node": f"node-{node.number}",
                "subnet_env": str(self.subnet_env), "state": str(self.folder / "state"),
            } | settings
        )  # fmt: skip
        if subnet_env:
            self.subnet_env.parent.mkdir(parents=True, exist_ok=True)
            self.subnet_env.write_text(subnet_env)
        self.overlay = OverlayNode(self.settings)
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=node.name)

    def start(self) -> Running:
        """Begin."""
        self._thread.start()
        return self

    def wait_ready(self) -> None:
        """Wait until pods may come: there is a lease, and the kernel is programmed."""
        with self.overlay.changed:
            is_ready = self.overlay.changed.wait_for(
                lambda: self.overlay.is_ready and self.overlay.tenancy.is_leased, WITHIN
            )
        assert is_ready, (self._trouble, self.overlay.conditions.as_json())

    def stop(self) -> None:
        """End; what is in the kernel stays."""
        self.overlay.stop()
        self._thread.join()
        assert self._trouble is None, self._trouble

    def see(self, expected: Kernel, within: float = WITHIN) -> None:
        """Wait until the node's kernel is as expected, so many seconds."""
        see(lambda: live(self.node), expected, difference, within)

    def condition(self, name: str) -> str:
        """Return what a condition says, "" if there is none."""
        found = [one for one in self.overlay.conditions.as_json() if one["name"] == name]
        return str(found[0]["message"]) if found else ""

    def _run(self) -> None:
        descriptor = open_netns(f"/run/netns/{self.node.name}")
        try:
            with inside(descriptor):
                self.overlay.run()
        except BaseException as error:
            self._trouble = error
            raise
        finally:
            os.close(descriptor)
