"""Users by name, read through layers as the root will show them, and never out of the image."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.images.image import Image
from pod_runner.images.layered_files import read_file
from pod_runner.images.unpacking import unpack
from pod_runner.images.users import Ids, find_ids
from podwire.demo.busybox_image import find_busybox
from tests.pod_runner.images.looking import overlay
from tests.pod_runner.images.making import entry, files, link, tar

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:web:/srv:\nbroken\nbad:x:a:b:::\nlarge:x:99999999999:1:::\n"
)
GROUP = "root:x:0:\nadm:x:4:www,other\nwww:x:34:www\nbad:x:x:www\n"


def image_of(folder: Path, *layers: bytes) -> Image:
    """Unpack layers, the lowest first."""
    found: list[Path] = []
    for number, body in enumerate(layers):
        (folder / str(number)).mkdir()
        unpack(io.BytesIO(body), folder / str(number))
        found.insert(0, folder / str(number))
    return Image("test", tuple(found))


USERS = {
    "": Ids(0, 0, (), "/root"), "www": Ids(33, 34, (4,), "/srv"), "33": Ids(33, 34, (4,), "/srv"),
    "www:adm": Ids(33, 4, (), "/srv"), "www:99": Ids(33, 99, (), "/srv"), "1234": Ids(1234, 0, (), "/"),
    "1234:5": Ids(1234, 5, (), "/"), "0:www": Ids(0, 34, (), "/root"), "www:": Ids(33, 34, (4,), "/srv"),
}  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_a_user_is_found_by_name_or_number(user: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, files(etc__passwd=PASSWD, etc__group=GROUP))
    assert find_ids(image, user) == USERS[user]


@pytest.mark.parametrize("user", ["nobody", "www:nobody", "bad", "large", "-1", "4294967295", "²"])
def test_who_is_not_known_is_named(user: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, files(etc__passwd=PASSWD, etc__group=GROUP))
    with pytest.raises(ContainerError, match=r"has no (user|group) called") as refused:
        find_ids(image, user)
    assert refused.value.reason == "CreateContainerConfigError"


def test_an_image_without_users_has_root_and_numbers(tmp_path: Path) -> None:
    image = image_of(tmp_path, tar())
    assert find_ids(image, "") == Ids()
    assert find_ids(image, "7:8") == Ids(7, 8)


LAYERED = {
    "the topmost": (files(etc__passwd="low"), files(etc__passwd="high")),
    "the lower": (files(etc__passwd="low"), files(etc__other="high")),
    "a whiteout": (files(etc__passwd="low"), tar(entry("etc"), entry("etc/.wh.passwd", b""))),
    "a whiteout above": (files(etc__passwd="low"), tar(entry(".wh.etc", b""))),
    "an opaque folder": (files(etc__passwd="low"), tar(entry("etc"), entry("etc/.wh..wh..opq", b""))),
    "made anew": (files(etc__passwd="low"), tar(entry(".wh.etc", b""), entry("etc"), entry("etc/x", b""))),
    "a file for a folder": (files(etc__passwd="low"), files(etc="high")),
    "a folder for a file": (files(etc="low"), files(etc__passwd="high")),
    "a link to a folder": (files(real__passwd="low"), tar(link("etc", "/real"))),
    "a link into a lower layer": (
        files(a__b__passwd="low"),
        tar(entry("etc"), link("etc/passwd", "../a/b/passwd")),
    ),
    "a link above the root": (files(passwd="low"), tar(entry("etc"), link("etc/passwd", "../../../passwd"))),
    "a link to itself": (files(x="low"), tar(entry("etc"), link("etc/passwd", "passwd"))),
    "a folder": (tar(entry("etc"), entry("etc/passwd")),),
}


@pytest.mark.parametrize("name", LAYERED)
def test_a_file_is_read_as_overlayfs_shows_it(name: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, *LAYERED[name])
    with overlay(image.layers, tmp_path / "mount") as root:
        shutil.copy(find_busybox(), root / "busybox")
        argv = ["chroot", str(root), "/busybox", "cat", "/etc/passwd"]
        done = subprocess.run(argv, capture_output=True, check=False)
    assert read_file(image.layers, "etc/passwd", 100) == (None if done.returncode else done.stdout)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "/proc/self/root/etc/passwd"])
def test_no_link_leads_to_the_nodes_own_file(target: str, tmp_path: Path) -> None:
    image = image_of(tmp_path, tar(entry("d"), link("d/passwd", target), link("e", "/etc")))
    assert read_file(image.layers, "d/passwd", 100) is None
    assert read_file(image.layers, "e/passwd", 100) is None
