"""A world for each test, and a look afterwards whether anything of it is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.kernel.cgroups import Cgroups
from tests.pod_runner.container.world import World


def left() -> tuple[str, list[str], list[str]]:
    """Return this process's mounts, descriptors and children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    links = [f"{one.name} {one.readlink()}" for one in Path("/proc/self/fd").iterdir() if one.exists()]
    descriptors = sorted(one for one in links if "podwire-starter" not in one)  # kept for the process's life
    return Path("/proc/self/mountinfo").read_text(), descriptors, children


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Make a world, and see that nothing is left of it but its files."""
    one = World(tmp_path, f"/podwire-test-{os.getpid()}")
    one.make_image()
    before = left()
    yield one
    cgroups = Cgroups.detect()
    assert not cgroups.pids(one.cgroup)
    cgroups.remove(one.cgroup)
    assert left() == before
