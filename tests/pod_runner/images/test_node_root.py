"""The node's own files as an image: what is seen of them, and what is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pod_runner.images.node_root import mounts_below, node_image
from pod_runner.images.root_fs import HOST_IMAGE, root_fs
from pod_runner.images.shelves import Shelves
from pod_runner.images.store import ImageStore
from tests.pod_runner.images.looking import dump, mounted

SECRET = (
    "etc/shadow",
    "etc/ssh",
    "etc/podwire",
    "etc/ssl/private",
    "root/.ssh",
    "home",
    "srv",
    "opt",
    "work",
)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a node's root with what nodes have."""
    root = tmp_path / "node"
    for folder in ("etc/ssl/private", "etc/ssh", "etc/sub", "etc/closed", "usr/bin", "usr/lib", "var/lib/app",
                   "var/log/app", "var/cache", "var/spool", "home/me", "root/.ssh", "backup"):  # fmt: skip
        (root / folder).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "lib64").mkdir()
    texts = {
        "etc/passwd": 0o644, "etc/shadow": 0o640, "etc/ssl/cert.pem": 0o644, "etc/ssl/private/key": 0o644,
        "etc/ssh/host_key": 0o644, "etc/sub/private": 0o600, "etc/sub/public": 0o755, "etc/hosts": 0o644,
        "etc/closed/public": 0o644, "etc/machine-id": 0o444, "home/me/mail": 0o644, "backup/all": 0o644,
        "var/lib/app/data": 0o644, "root/.ssh/id": 0o644,
    }  # fmt: skip
    for path, mode in texts.items():
        (root / path).write_text(path)
        (root / path).chmod(mode)
    (root / "etc/closed").chmod(0o750)
    (root / "etc/link").symlink_to("../home/me/mail")
    os.chown(root / "etc/sub/public", 3, 4)
    os.chown(root / "var/log/app", 33, 33)
    (root / "var/log/app").chmod(0o750)
    return root


def test_only_what_anybody_may_read_is_seen(node: Path, tmp_path: Path) -> None:
    shelves = Shelves(tmp_path / "store")
    shelves.make()
    image = node_image(shelves, node)
    found = dump(image.layers[0])
    assert sorted(path for path in found if path.startswith("etc/")) == [
        "etc/link", "etc/passwd", "etc/ssl", "etc/ssl/cert.pem", "etc/sub", "etc/sub/public",
    ]  # fmt: skip
    assert found["etc/sub/public"] == "-rwxr-xr-x 3:4 etc/sub/public"
    assert found["bin"] == "lrwxrwxrwx 0:0 usr/bin"
    assert found["var/log/app"] == "drwxr-x--- 33:33"
    assert found["tmp"] == "drwxrwxrwt 0:0"
    assert found["root"] == "drwx------ 0:0"
    assert not {"home/me", "backup", "var/lib/app/data", "root/.ssh"} & set(found)
    assert image.parts == (node / "usr", node / "lib64")


def test_its_skeleton_is_made_once_and_anew_when_etc_changes(node: Path, tmp_path: Path) -> None:
    shelves = Shelves(tmp_path / "store")
    shelves.make()
    first = node_image(shelves, node)
    assert node_image(shelves, node) == first
    (node / "etc/passwd").write_text("another")
    second = node_image(shelves, node)
    assert second.layers != first.layers
    assert (first.layers[0] / "etc/passwd").read_text() == "etc/passwd"
    assert (second.layers[0] / "etc/passwd").read_text() == "another"


def test_this_machines_own_root_has_programs_and_no_secrets(store: ImageStore, tmp_path: Path) -> None:
    root = root_fs(store.ensure(HOST_IMAGE), tmp_path / "root")
    assert [part.target for part in root.parts][:1] == ["usr"]
    skeleton = root.lower[0]
    assert not any(one.is_file() for path in SECRET for one in (skeleton / path).rglob("*"))
    assert not any((skeleton / path).is_file() for path in SECRET)
    script = "ls /usr/bin/env && echo text >/usr/new && echo text >/etc/new && id -un"
    with mounted(root, tmp_path / "mount") as folder:
        argv = ["chroot", str(folder), "/bin/sh", "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == "/usr/bin/env\nroot\n", done.stderr
    assert not Path("/usr/new").exists()
    assert (tmp_path / "root/parts/usr/upper/new").read_text() == "text\n"
    assert root.upper is not None
    assert (root.upper / "etc/new").read_text() == "text\n"


def test_what_is_mounted_below_is_a_part_by_itself(node: Path, tmp_path: Path) -> None:
    (node / "usr/my local").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", node / "usr/my local"], check=True)
    try:
        assert mounts_below(node / "usr") == [node / "usr/my local"]
        shelves = Shelves(tmp_path / "store")
        shelves.make()
        parts = root_fs(node_image(shelves, node), tmp_path / "root").parts
        assert [Path("/", one.target) for one in parts] == [
            node / "usr",
            node / "usr/my local",
            node / "lib64",
        ]
    finally:
        subprocess.run(["umount", node / "usr/my local"], check=True)


def test_a_folder_is_kept_when_a_container_starts_again(store: ImageStore, tmp_path: Path) -> None:
    image = store.ensure(HOST_IMAGE)
    first = root_fs(image, tmp_path / "root")
    assert first.upper is not None
    (first.upper / "written").write_text("before")
    assert root_fs(image, tmp_path / "root") == first
    assert (first.upper / "written").read_text() == "before"


def test_a_roots_own_look_is_the_topmost_layers(store: ImageStore, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    layer.chmod(0o711)
    os.chown(layer, 5, 6)
    root = root_fs(store.ensure(f"dir:{layer}"), tmp_path / "root")
    assert root.upper is not None
    there = root.upper.stat()
    assert (there.st_mode & 0o7777, there.st_uid, there.st_gid) == (0o711, 5, 6)
