"""Containers on the node's own files: what they see of it, and that nothing of it can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_runner.container.spec import Mount, RootFs, Security
from pod_runner.images.root_fs import HOST_IMAGE, root_fs
from pod_runner.images.store import ImageStore
from tests.pod_runner.container.world import MAPPED, World

ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def root(world: World) -> RootFs:
    """Return a root made of the node's own files."""
    world.folder.chmod(0o755)  # another user's namespace looks into it
    return root_fs(ImageStore(world.folder / "images").ensure(HOST_IMAGE), world.folder / "root")


@pytest.mark.parametrize("is_mapped", [False, True], ids=["root", "user namespace"])
def test_programs_run_and_what_they_write_is_theirs(world: World, root: RootFs, is_mapped: bool) -> None:
    script = "id -un; touch /usr/ours /etc/ours /ours && ls /usr/ours /etc/ours /ours"
    with world.pod(user_namespace=MAPPED if is_mapped else None) as pod:
        done = world.run(pod, script, root=root, env=ENV)
    assert done.output.split() == ["root", "/etc/ours", "/ours", "/usr/ours"]
    assert not any(Path(path).exists() for path in ("/usr/ours", "/etc/ours", "/ours"))


def test_secrets_and_what_is_the_nodes_alone_are_not_there(world: World, root: RootFs) -> None:
    hidden = "/etc/shadow /etc/ssh /etc/machine-id /etc/podwire /root/.ssh /work /tmp/pytest-of-root"
    with world.pod() as pod:
        done = world.run(
            pod, f"ls -d {hidden} 2>/dev/null; ls -A /home /run /tmp /opt /boot", root=root, env=ENV
        )
    shown = [line for line in done.output.splitlines() if line and not line.endswith(":")]
    assert shown == ["lock"]  # /run/lock, which is empty


def test_a_volume_may_be_mounted_where_the_node_has_nothing(world: World, root: RootFs) -> None:
    (world.folder / "data").mkdir()
    (world.folder / "data/file").write_text("text")
    mounts = tuple(
        Mount(world.folder / "data", target) for target in ("/usr/share/ours/x", "/etc/ours", "/x")
    )
    with world.pod() as pod:
        script = "cat /usr/share/ours/x/file /etc/ours/file /x/file"
        done = world.run(pod, script, root=root, env=ENV, mounts=mounts)
    assert done.output == "text" * 3


def test_a_read_only_root_is_so_in_all_its_parts_and_its_volumes_are_not(world: World, root: RootFs) -> None:
    (world.folder / "data").mkdir()
    script = "for f in /x /usr/x /usr/share/x /etc/x /tmp/x /usr/data/x /data/x; do touch $f && echo $f; done"
    mounts = tuple(Mount(world.folder / "data", target) for target in ("/usr/data", "/data"))
    with world.pod() as pod:
        done = world.run(
            pod, f"({script}) 2>/dev/null", root=root, env=ENV, mounts=mounts,
            security=Security(read_only_root=True),
        )  # fmt: skip
    assert done.output.split() == ["/usr/data/x", "/data/x"]


def test_a_volume_in_the_place_of_a_part_stays_writable(world: World, root: RootFs) -> None:
    (world.folder / "data").mkdir()
    (world.folder / "data/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (world.folder / "data/busybox").chmod(0o755)
    mounts = (Mount(world.folder / "data", "/usr"),)
    with world.pod() as pod:
        done = world.run(
            pod, "/usr/busybox", "touch", "/usr/x", root=root, env=ENV, mounts=mounts,
            security=Security(read_only_root=True),
        )  # fmt: skip
    assert (done.output, done.code) == ("", 0)
    assert (world.folder / "data/x").exists()
