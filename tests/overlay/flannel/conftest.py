"""The recordings' world for each test: nodes on a wire, etcd with flannel's keys, podwire on the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster_store.etcd_server import missing
from tests.overlay.flannel.running import FlannelEtcd, Running
from tests.overlay.flannel.underlay import Underlay

Start = Callable[..., Running]


@pytest.fixture
def underlay(host: None) -> Iterator[Underlay]:
    """Give two nodes on a wire."""
    made = Underlay(1, 2)
    yield made
    made.remove()


@pytest.fixture
def etcd(underlay: Underlay, tmp_path: Path) -> Iterator[FlannelEtcd]:
    """Give an etcd on the wire with nothing in it."""
    if reason := missing():
        pytest.skip(reason)
    server = FlannelEtcd(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start(underlay: Underlay, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts podwire on a node, by its number; at the end all stop."""
    started: list[Running] = []

    def start_one(number: int, registry: str, **settings: Any) -> Running:
        started.append(Running(underlay[number], tmp_path, registry, **settings).start())
        return started[-1]

    yield start_one
    for one in started:
        one.stop()
