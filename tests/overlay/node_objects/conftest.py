"""An API server with Nodes, and a configuration of the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube_api.server import ApiServer, running_api
from tests.overlay.node_objects.nodes import V4


@pytest.fixture
def api(host: None) -> Iterator[ApiServer]:
    """Serve Nodes in a fresh namespace."""
    with running_api() as server:
        yield server


@pytest.fixture
def net_conf(tmp_path: Path) -> Path:
    """Write a configuration of IPv4."""
    file = tmp_path / "net-conf.json"
    file.write_text(V4)
    return file
