"""Ten nodes: how long they take, and that they are whole."""

from __future__ import annotations

import os
import time

import pytest

from tests.lab.conftest import Machine, pairs

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: run as root"),
    pytest.mark.campaign,
]

NODES = 10
LIMIT = 60.0  # seconds


@pytest.mark.parametrize("registry", ["directory", "etcd"])
def test_ten_nodes_are_whole_within_a_minute(machine: Machine, registry: str) -> None:
    began = time.monotonic()
    machine.lab("up", "--nodes", str(NODES), "--registry", registry)
    took = time.monotonic() - began
    seen = machine.status("--transfer", "10")
    assert seen["isWhole"] and len(pairs(seen)) == NODES * (NODES - 1)
    assert len({node["lease"][0] for node in seen["nodes"]}) == NODES
    assert took < LIMIT
