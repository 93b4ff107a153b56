"""A node with a lease, for the overlay plugin's tests: its files, and what is looked at after a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.calls import REFERENCE_PLUGINS, Container, Json, Plugins, ip_json

MakeContainer = Callable[..., Container]

SUBNET_FILE = Path("/run/flannel/subnet.env")
DATA_DIR = Path("/var/lib/cni/flannel")
SUBNET_ENV = """FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.51.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""
DUAL_STACK = SUBNET_ENV + "FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:51::1/64\n"
CONFIG: Json = {
    "cniVersion": "1.1.0",
    "name": "cbr0",
    "type": "overlay",
    "waitTimeout": 0,
    "delegate": {"hairpinMode": True, "isDefaultGateway": True},
}
PTP = CONFIG | {"delegate": {"type": "ptp", "isDefaultGateway": True}}
FLANNELS_STATE: Json = {  # what flannel v1.9.1-flannel1 wrote for the same, recorded
    "cniVersion": "1.0.0", "hairpinMode": True, "ipMasq": False, "isDefaultGateway": True, "isGateway": True,
    "ipam": {"ranges": [[{"subnet": "10.244.51.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}],
             "type": "host-local"},
    "mtu": 1450, "name": "cbr0", "type": "bridge",
}  # fmt: skip
needs_reference = pytest.mark.skipif(
    not (REFERENCE_PLUGINS / "bridge").exists(), reason="containernetworking-plugins is missing"
)


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    """Return plugins whose delegates and IPAM are ours."""
    for name in ("bridge", "ptp", "host-local"):
        (tmp_path / name).write_text("#!/bin/false\n# podwire plugin\n")
    return Plugins(path=str(tmp_path))


@pytest.fixture(autouse=True)
def lease(host: None) -> None:
    """Give the node a lease."""
    write_lease()


def write_lease(text: str = SUBNET_ENV) -> None:
    SUBNET_FILE.parent.mkdir(exist_ok=True)
    draft = SUBNET_FILE.with_name("draft")
    draft.write_text(text)
    draft.replace(SUBNET_FILE)


def state_of(one: Container) -> Path:
    return DATA_DIR / f"{one.name}:{one.ifname}"


def addresses(result: Json) -> list[str]:
    return [ip["address"] for ip in result["ips"]]


def reaches(one: Container, address: str) -> bool:
    """Tell whether an echo comes back: the machine may be too busy for the first second's."""
    return any(one.pings(address) for _ in range(5))


def reserved(network: str = "cbr0") -> list[str]:
    folder = Path("/var/lib/cni/networks", network)
    return sorted(path.name for path in folder.iterdir() if path.name[0].isdigit()) if folder.is_dir() else []


def links() -> list[str]:
    return sorted(link["ifname"] for link in ip_json("link") if link["ifname"] != "lo")
