"""What a real flanneld left behind: read from the folder of recordings, and from small ones of our own.

A recording is a folder of files as its README names them: `etcd_STEP.json`, `nN.link.flannel.1.json` and so
on. Those in `own/` are made by hand after them, for machines that have no others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "recorded"
OWN = Path(__file__).parent / "own"
Json = dict[str, Any]


@dataclass(frozen=True)
class Lease:
    """One lease as it stood in etcd: its key's last part, its exact value, its TTL's id, 0 for none."""

    key: str
    value: str
    ttl: int

    @property
    def body(self) -> Json:
        """Return the value, parsed."""
        body: Json = json.loads(self.value)
        return body

    @property
    def mac4(self) -> str:
        """Return the VTEP's MAC over IPv4, "" for none."""
        return str(self.body.get("BackendData", {}).get("VtepMAC", ""))

    @property
    def mac6(self) -> str:
        """Return the VTEP's MAC over IPv6, "" for none."""
        return str(self.body.get("BackendV6Data", {}).get("VtepMAC", ""))

    def with_members(self, **members: Any) -> Lease:
        """Return a lease with other members, written as flannel writes."""
        return Lease(self.key, json.dumps(self.body | members, separators=(",", ":")), self.ttl)


@dataclass(frozen=True)
class Recording:
    """One case."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    def json(self, name: str) -> Any:
        """Return a file's content, [] where the recording has none of that name."""
        file = self.folder / name
        return json.loads(file.read_text()) if file.exists() else []

    def text(self, name: str) -> str:
        """Return a file's text."""
        return (self.folder / name).read_text()

    def need(self) -> Recording:
        """Skip the test where this is not on the machine."""
        if not self.folder.is_dir():
            pytest.skip(f"no recording of flannel at {self.folder}")
        return self

    @property
    def networks(self) -> list[str]:
        """Return the cluster's networks."""
        conf = json.loads(self.text("net-conf.json"))
        return [conf["Network"], *([conf["IPv6Network"]] if conf.get("EnableIPv6") else [])]

    @property
    def is_dual(self) -> bool:
        """Tell whether it has both families."""
        return len(self.networks) == 2

    def config(self, step: str = "after_n2") -> str:
        """Return the network's configuration in etcd, exactly."""
        return next(str(one["value_text"]) for one in self.json(f"etcd_{step}.json") if _is_config(one))

    def leases(self, step: str = "after_n2") -> dict[str, Lease]:
        """Return the leases in etcd by the node's IPv4 address."""
        found = [
            Lease(one["key"].rpartition("/")[2], one["value_text"], (one["lease"] or {}).get("id", 0))
            for one in self.json(f"etcd_{step}.json")
            if not _is_config(one)
        ]
        return {one.body["PublicIP"]: one for one in found}

    def lease(self, node: int, step: str = "after_n2") -> Lease:
        """Return the lease of node 1 or 2."""
        return self.leases(step)[f"192.168.77.{node}"]


def recording(name: str) -> Recording:
    """Return a recorded case by its folder's name."""
    return Recording(FOLDER / name)


ETCD_CASES = [
    recording("a_v4_vxlan_etcd"),
    recording("b_dualstack_vxlan_etcd"),
    recording("c_directrouting"),
    recording("d_nftables"),
    recording("g_hostgw"),
    Recording(OWN / "v4"),
    Recording(OWN / "dual"),
]  # fmt: skip

VXLAN_CASES = [one for one in ETCD_CASES if str(one) not in ("c_directrouting", "g_hostgw")]


def _is_config(entry: Json) -> bool:
    return str(entry["key"]).endswith("/config")
