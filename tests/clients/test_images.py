"""An image that containerd exported is the one that it imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_runner.images.store import ImageStore
from podwire.demo.busybox_image import BUSYBOX, find_busybox
from podwire.demo.containerd import Containerd
from podwire.demo.world import World

pytestmark = pytest.mark.clients


def test_what_containerd_exports_is_read(world: World, containerd: Containerd, tmp_path: Path) -> None:
    containerd.ctr("images", "export", "/run/exported.tar", BUSYBOX)
    (added,) = ImageStore(tmp_path / "store").add(world.path("/run/exported.tar"))
    assert added.reference == BUSYBOX
    image = ImageStore(tmp_path / "store").ensure(BUSYBOX, "Never")
    assert image.cmd == ("/bin/sh",)
    assert (image.layers[0] / "bin/busybox").read_bytes() == find_busybox().read_bytes()
