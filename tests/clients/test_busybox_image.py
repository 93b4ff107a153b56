"""Images made from the machine's busybox."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from podwire.demo.busybox_image import APPLETS, BUSYBOX, PAUSE, write_archive


@pytest.fixture
def archive_path(tmp_path: Path) -> Path:
    (tmp_path / "busybox").write_bytes(b"\x7fELF, or so")
    write_archive(tmp_path / "one.tar", tmp_path / "busybox")
    return tmp_path / "one.tar"


def test_the_same_busybox_gives_the_same_bytes(archive_path: Path) -> None:
    again = archive_path.with_name("two.tar")
    write_archive(again, archive_path.with_name("busybox"))
    assert again.read_bytes() == archive_path.read_bytes()


def test_every_name_is_the_digest_of_what_it_names(archive_path: Path) -> None:
    with tarfile.open(archive_path) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    images = json.loads(content["manifest.json"])
    assert [image["RepoTags"] for image in images] == [[BUSYBOX], [PAUSE]]
    for image in images:
        configuration = content[image["Config"]]
        assert image["Config"] == f"{hashlib.sha256(configuration).hexdigest()}.json"
        (layer,) = image["Layers"]
        digest = hashlib.sha256(content[layer]).hexdigest()
        assert layer == f"{digest}/layer.tar"
        assert json.loads(configuration)["rootfs"]["diff_ids"] == [f"sha256:{digest}"]


def test_the_layer_holds_busybox_and_a_link_for_each_applet(archive_path: Path) -> None:
    with tarfile.open(archive_path) as archive:
        name = next(name for name in archive.getnames() if name.endswith("layer.tar"))
        with tarfile.open(fileobj=archive.extractfile(name)) as layer:
            assert layer.getmember("bin/busybox").mode == 0o755
            links = {member.name: member.linkname for member in layer if member.issym()}
    assert links == {f"bin/{applet}": "busybox" for applet in APPLETS}
