"""The first node of a network: nobody is there when it comes, and who comes later may go again."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from overlay.key_value import KeyValueRegistry
from overlay.node import OverlayNode
from overlay.settings import OverlaySettings
from tests.overlay.records import node

WITHIN = 60.0  # seconds; on a busy machine


@pytest.fixture
def registry(tmp_path: Path) -> KeyValueRegistry:
    one = KeyValueRegistry(DirectoryStore(tmp_path / "registry"), "later", "boot")
    one.configure('{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}')
    return one


@pytest.fixture
def first(host: None, registry: KeyValueRegistry, tmp_path: Path) -> Iterator[OverlayNode]:
    for command in (
        "link add eth0 up type veth peer name other", "link set other up",
        "addr add 192.168.77.99/24 dev eth0",
    ):  # fmt: skip
        subprocess.run(["ip", *command.split()], check=True)
    settings = OverlaySettings(
        registry=f"directory:{tmp_path}/registry", node="first",
        subnet_env=str(tmp_path / "subnet.env"), state=str(tmp_path / "state"),
    )  # fmt: skip
    one = OverlayNode(settings)
    thread = threading.Thread(target=one.run)
    thread.start()
    with one.changed:
        assert one.changed.wait_for(lambda: one.is_ready and one.tenancy.is_leased, WITHIN)
    yield one
    one.stop()
    thread.join()


def _has_route_within(subnet: str, is_there: bool) -> bool:
    end = time.monotonic() + WITHIN
    while time.monotonic() < end:
        said = subprocess.run(["ip", "route", "show", subnet], capture_output=True, text=True, check=True)
        if bool(said.stdout) == is_there:
            return True
        time.sleep(0.02)  # the kernel is looked at from outside
    return False


def test_what_came_later_and_goes_is_taken_away(first: OverlayNode, registry: KeyValueRegistry) -> None:
    wanted = replace(node(17), key="", subnets=(), node="later", boot="boot")
    taken = registry.acquire(wanted)
    subnet = str(taken.subnets[0])
    assert _has_route_within(subnet, True)
    registry.release(taken.key)
    assert _has_route_within(subnet, False)
