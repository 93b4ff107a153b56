"""What the tests of this room share: networks to try, the reference's plugin, and plain eyes on the files.

`files` and `assert_in_step` read the directory with the standard library alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from netaddr import IPAddress, IPNetwork

from ipam.allocator import Lease, Wish, allocate, release
from ipam.directory import Owner
from ipam.keys import name_of
from ipam.network import Network
from ipam.pools import Range, RangeSet, join_spans, make_range, make_range_set
from ipam.store import Store, operate

GO = Path("/usr/lib/cni/host-local")
T = TypeVar("T")


def pool(*subnets: str) -> RangeSet:
    """Make a pool of "SUBNET" or "SUBNET FIRST LAST"."""
    return make_range_set(_range(text.split()) for text in subnets)


def _range(words: list[str]) -> Range:
    first, last = (IPAddress(word) for word in words[1:]) if words[1:] else (None, None)
    return make_range(IPNetwork(words[0]), first=first, last=last)


@dataclass
class World:
    """One network, a clock that stands, and a boot that can be followed by another."""

    folder: Path
    pools: list[RangeSet] = field(default_factory=lambda: [pool("10.1.0.0/24")])
    cooldown: float = 0.0
    boot_id: str = "first boot"
    time: float = 1_000_000.0
    deadline: float = 5.0

    @property
    def path(self) -> Path:
        return self.folder / "net"

    @property
    def network(self) -> Network:
        return Network("net", self.folder, self.cooldown, self.boot_id, lambda: self.time, self.deadline)

    def run(self, operation: Callable[[Store], T]) -> T:
        return operate(self.network, operation)

    def add(self, who: str, *requested: str, name: str = "", netns: str = "/run/netns/a") -> list[str]:
        leases = self.lease(who, *requested, name=name, netns=netns)
        return [str(lease.address.ip) for lease in leases]

    def lease(self, who: str, *requested: str, name: str = "", netns: str = "") -> tuple[Lease, ...]:
        wish = Wish(Owner(who, "eth0"), netns, frozenset(map(IPAddress, requested)), name)
        return self.run(lambda store: allocate(store, self.pools, wish))

    def delete(self, who: str, ifname: str = "eth0") -> list[str]:
        return [str(one) for one in self.run(lambda store: release(store, Owner(who, ifname)))]


def files(path: Path) -> dict[str, str]:
    """Read every reservation of a directory: address -> content."""
    return {
        one.name: one.read_bytes().decode()
        for one in path.iterdir()
        if one.name != "lock" and not one.name.startswith("last_reserved_ip.")
    }


def assert_in_step(world: World) -> None:
    """Compare the index with the files, and its runs with what is blocked."""

    def look(store: Store) -> None:
        held = {name_of(one.key): one.owner.text for one in store.index.reservations()}
        assert held == files(world.path)
        blocked = [k for t in ("reservations", "cooling", "idle") for k in store.index.addresses(t)]
        assert store.index.runs() == list(join_spans((key, key) for key in blocked))

    world.run(look)


def go(
    verb: str, folder: Path, who: str, subnet: str = "10.1.0.0/24", ifname: str = "eth0"
) -> dict[str, object]:
    """Run the reference's host-local; an error is returned as its object."""
    config = {"cniVersion": "1.0.0", "name": "net", "type": "bridge",
              "ipam": {"type": "host-local", "subnet": subnet, "dataDir": str(folder)}}  # fmt: skip
    environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": who, "CNI_IFNAME": ifname,
                   "CNI_PATH": str(GO.parent), "CNI_NETNS": "/proc/self/ns/net", **os.environ}  # fmt: skip
    done = subprocess.run([GO], input=json.dumps(config), env=environment, capture_output=True, text=True)
    answer: dict[str, object] = json.loads(done.stdout or "{}")
    return answer


def go_address(answer: dict[str, object]) -> str:
    """Return the address of a reference's result."""
    ips = answer["ips"]
    assert isinstance(ips, list)
    return str(ips[0]["address"]).split("/")[0]
