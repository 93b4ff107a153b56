"""A world for each test."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.supervisor.forking import prepare
from tests.pod_runner.supervisor.world import World, reaping

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and cgroups are made by root")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have ready what the spawner has ready; return a store, with the node's own files copied once."""
    prepare()
    yield tmp_path_factory.mktemp("images")
    gc.unfreeze()


@pytest.fixture
def world(tmp_path: Path, images: Path, host: None) -> Iterator[World]:
    """Make a node without an agent; at the end nothing of its pods may be left."""
    mounts = Path("/proc/self/mountinfo").read_text()
    with reaping():
        made = World(tmp_path, images)
        yield made
        made.close()
    assert Path("/proc/self/mountinfo").read_text() == mounts
