"""What a plugin without an agent loads: the budget of its start, in modules and not in milliseconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calls import Container, run

MODULES = (
    340  # a plain ADD of bridge and host-local has 328 on Python 3.11, pydantic and netaddr half of them
)
HEAVY = (
    "pyroute2", "rich", "typer", "prometheus_client", "podwire", "asyncio", "http", "urllib.request",
    "subprocess", "tomllib", "multiprocessing", "concurrent.futures.process", "xml", "jeepney",
    "linuxnet.pyroute", "linuxnet.nft", "linuxnet.tc", "linuxnet.firewalld", "unittest",
)  # fmt: skip
SCRIPT = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("\\n".join(sorted(sys.modules))))
from cni_plugins.skeleton import run
run(sys.argv[1])
"""
CONFIG = {
    "cniVersion": "1.0.0", "name": "lean", "type": "bridge", "bridge": "lean0", "isGateway": True,
    "ipam": {"type": "host-local", "subnet": "10.60.0.0/24"},
}  # fmt: skip

OVERLAY = {"cniVersion": "1.0.0", "name": "lean", "type": "overlay"}
LEASE = "FLANNEL_NETWORK=10.60.0.0/16\nFLANNEL_SUBNET=10.60.0.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
DELEGATION = 10  # modules more where overlay has bridge do the work


@pytest.fixture(params=[CONFIG, OVERLAY], ids=["bridge", "overlay"])
def loaded(request: pytest.FixtureRequest, host: None, tmp_path: Path) -> set[str]:
    """Return the modules that an ADD in a process of its own has loaded."""
    for name in ("host-local", "bridge"):
        (tmp_path / name).write_text("# podwire plugin\n")
    Path("/run/flannel/subnet.env").write_text(LEASE)
    run(["ip", "netns", "add", "lean"])
    one = Container("lean")
    environment = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "lean", "CNI_NETNS": one.netns, "CNI_IFNAME": "eth0",
        "CNI_PATH": str(tmp_path), "PODWIRE_AGENT": "never", "PATH": os.environ["PATH"],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, request.param["type"]], input=json.dumps(request.param).encode(),
        env=environment, capture_output=True, check=False,
    )  # fmt: skip
    run(["ip", "netns", "del", "lean"])
    assert done.returncode == 0, done.stdout
    return set(done.stderr.decode().split("\n"))


def test_a_plain_add_loads_nothing_heavy(loaded: set[str]) -> None:
    inside = tuple(f"{one}." for one in HEAVY)
    assert not {name for name in loaded if name in HEAVY or name.startswith(inside)}


def test_a_plain_add_stays_within_its_budget(loaded: set[str]) -> None:
    has_delegate = "cni_plugins.overlay.plugin" in loaded
    assert len(loaded) <= MODULES + DELEGATION * has_delegate, len(loaded)
