"""Fixtures of the client tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.demo.busybox_image import find_busybox, write_archive
from podwire.demo.containerd import Containerd
from podwire.demo.world import World
from tests.clients.harness import furnish, need


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a docker archive with the busybox and pause images."""
    need("busybox")
    target = tmp_path_factory.mktemp("images") / "images.tar"
    write_archive(target, find_busybox())
    return target


@pytest.fixture
def world() -> Iterator[World]:
    """Give the test a small machine of its own, with the plugins under test installed."""
    with World() as opened:
        furnish(opened)
        yield opened


@pytest.fixture
def containerd(world: World, archive: Path) -> Iterator[Containerd]:
    """Give the test a containerd that has the images, in both of its namespaces."""
    need("containerd", "ctr", "runc")
    with Containerd(world) as daemon:
        daemon.import_images(archive)
        daemon.import_images(archive, namespace="k8s.io")
        yield daemon
