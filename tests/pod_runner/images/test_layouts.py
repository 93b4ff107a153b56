"""Layouts and archives, made by the tests, by podman and by containerd: all become the same image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError
from pod_runner.images.store import ImageStore
from podwire.demo.busybox_image import BUSYBOX, find_busybox
from podwire.demo.busybox_image import write_archive as write_docker_archive
from tests.pod_runner.images.looking import dump, overlay
from tests.pod_runner.images.making import MACHINE, Made, digest, entry, files, tar, write_archive

CONFIG = {
    "Entrypoint": ["/bin/server"], "Cmd": ["--port", "80"], "Env": ["PATH=/bin", "EMPTY=", "A=b=c"],
    "User": "www:7", "WorkingDir": "/srv", "StopSignal": "SIGQUIT", "Labels": None,
}  # fmt: skip
LOW, HIGH = (
    files(etc__a="low", etc__b="low"),
    tar(entry("etc"), entry("etc/a", b"high"), entry("etc/.wh.b", b"")),
)


@pytest.fixture
def made() -> Made:
    """Return one image with two layers, called example.org/app:1."""
    one = Made()
    one.image([LOW, HIGH], "example.org/app:1", config=CONFIG)
    return one


def test_a_layout_becomes_an_image(made: Made, store: ImageStore, tmp_path: Path) -> None:
    made.write_layout(tmp_path / "layout")
    image = store.ensure(f"oci:{tmp_path}/layout")
    assert (image.entrypoint, image.cmd, image.cwd) == (("/bin/server",), ("--port", "80"), "/srv")
    assert image.env == {"PATH": "/bin", "EMPTY": "", "A": "b=c"}
    assert (image.user, image.stop_signal, image.digest) == ("www:7", 3, made.manifests[0]["digest"])
    with overlay(image.layers, tmp_path / "mount") as root:
        assert dump(root) == {"etc": "drwxr-xr-x 0:0", "etc/a": "-rw-r--r-- 0:0 high"}


def test_an_archive_of_it_is_the_same(made: Made, store: ImageStore, tmp_path: Path) -> None:
    archive = write_archive(made.write_layout(tmp_path / "layout"), tmp_path / "app.tar")
    (added,) = store.add(archive)
    assert added.reference == "example.org/app:1"
    from_archive = store.ensure(f"oci-archive:{archive}")
    assert store.ensure("example.org/app:1", "Never").layers == from_archive.layers
    assert len(list((store.root / "layers").iterdir())) == 4  # two layers, two notes: each once


def test_of_several_images_one_is_named(made: Made, store: ImageStore, tmp_path: Path) -> None:
    made.image([LOW], "example.org/app:2", config={"Cmd": ["two"]})
    layout = made.write_layout(tmp_path / "layout")
    assert store.ensure(f"oci:{layout}:2").cmd == ("two",)
    with pytest.raises(ContainerError, match=r"2 images fit \(example.org/app:1, example.org/app:2\)"):
        store.ensure(f"oci:{layout}")
    with pytest.raises(ContainerError, match="0 images fit"):
        store.ensure(f"oci:{layout}:3")


def test_of_several_machines_this_one_is_taken(store: ImageStore, tmp_path: Path) -> None:
    made = Made()
    other = made.image([LOW], config={"Cmd": ["other"]}, architecture="pdp11")
    own = made.image([HIGH], config={"Cmd": ["own"]})
    nested = made.index([made.index([other, own])])
    made.write_layout(tmp_path / "nested", [nested])
    made.write_layout(tmp_path / "flat")
    made.write_layout(tmp_path / "none", [made.index([other])])
    assert store.ensure(f"oci:{tmp_path}/nested").cmd == ("own",)
    assert store.ensure(f"oci:{tmp_path}/flat").cmd == ("own",)
    with pytest.raises(ContainerError, match=f"nothing for linux/{MACHINE.architecture}.*linux/pdp11"):
        store.ensure(f"oci:{tmp_path}/none")


def test_a_bare_tag_gets_the_archives_name(store: ImageStore, tmp_path: Path) -> None:
    made = Made()
    made.image([LOW], "v1")
    archive = write_archive(made.write_layout(tmp_path / "layout"), tmp_path / "My App.tar")
    assert [one.reference for one in store.add(archive)] == ["localhost/my-app:v1"]
    assert [one.reference for one in store.add(archive, "app:2")] == ["docker.io/library/app:2"]


def test_docker_saves_form_is_read(store: ImageStore, tmp_path: Path) -> None:
    write_docker_archive(tmp_path / "saved.tar", find_busybox())
    names = [one.reference for one in store.add(tmp_path / "saved.tar")]
    assert names == [BUSYBOX, BUSYBOX.replace("busybox", "pause")]
    image = store.ensure(f"docker-archive:{tmp_path}/saved.tar:{BUSYBOX}")
    assert image.layers == store.ensure("busybox:podwire", "Never").layers
    assert (image.layers[0] / "bin/busybox").read_bytes() == find_busybox().read_bytes()


def test_a_layer_that_docker_wrote_as_a_link_is_found(store: ImageStore, tmp_path: Path) -> None:
    config = {"rootfs": {"type": "layers", "diff_ids": [digest(LOW)] * 2}, "os": "linux"}
    saved = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    members = [
        entry("manifest.json", json.dumps(saved).encode()), entry("c.json", json.dumps(config).encode()),
        entry("a/layer.tar", LOW), entry("b/layer.tar", None, type=tarfile.SYMTYPE,
        linkname="../a/layer.tar"),
    ]  # fmt: skip
    (tmp_path / "old.tar").write_bytes(tar(*members))
    assert len(store.ensure(f"docker-archive:{tmp_path}/old.tar").layers) == 2


def test_what_podman_saves_is_read(host: None, store: ImageStore, tmp_path: Path) -> None:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    write_docker_archive(tmp_path / "saved.tar", find_busybox())
    places = ["--root", f"{tmp_path}/podman", "--runroot", "/run/podwire/podman", "--storage-driver", "vfs"]
    podman = ["podman", *places, "--cgroup-manager", "cgroupfs"]
    _run(*podman, "load", "-q", "-i", str(tmp_path / "saved.tar"))
    layers = []
    for form in ("docker-archive", "oci-archive", "oci-dir"):
        _run(*podman, "save", "-q", "--format", form, "-o", str(tmp_path / form), BUSYBOX)
        (added,) = store.add(tmp_path / form)
        image = store.ensure(added.reference, "Never")
        assert image.cmd == ("/bin/sh",), form
        layers.append([dump(one) for one in image.layers])
    assert layers[0] == layers[1] == layers[2]
    assert layers[0][0]["bin/sh"] == "lrwxrwxrwx 0:0 busybox"


def test_damage_is_named_and_leaves_nothing(made: Made, store: ImageStore, tmp_path: Path) -> None:
    layout = made.write_layout(tmp_path / "layout")
    blob = next(one for one in (layout / "blobs/sha256").iterdir() if one.read_bytes()[:2] == b"\x1f\x8b")
    blob.write_bytes(blob.read_bytes()[:-8] + b"12345678")  # the check sum
    with pytest.raises(ContainerError, match="damaged") as refused:
        store.ensure(f"oci:{layout}")
    assert refused.value.reason == "ErrImagePull"
    assert store.list() == []
    assert list((store.root / "fresh").iterdir()) == []


BROKEN = {
    "an index of nothing": {"index.json": b"{}"},
    "no JSON": {"index.json": b"{"},
    "a list": {"index.json": b"[]"},
    "a huge document": {"index.json": b"[" * (5 << 20)},
    "a digest that is a path": {"index.json": b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}'},
    "a blob that is missing": {"index.json": json.dumps({"manifests": [{"digest": digest(b"")}]}).encode()},
    "a configuration that is a path": {
        "manifest.json": b'[{"Config": "../../etc/passwd", "Layers": []}]', "c": b"{}",
    },
    "nothing": {"readme": b""},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_what_is_no_image_is_refused_with_a_sentence(
    name: str, form: str, store: ImageStore, tmp_path: Path
) -> None:
    (tmp_path / "layout").mkdir()
    for path, body in BROKEN[name].items():
        (tmp_path / "layout" / path).write_bytes(body)
    source = tmp_path / "layout"
    if form == "archive":
        source = write_archive(source, tmp_path / "archive.tar")
    with pytest.raises(ContainerError) as refused:
        store.add(source)
    assert "\n" not in str(refused.value)
    assert store.list() == []


def test_no_link_of_a_layout_is_followed_out(made: Made, store: ImageStore, tmp_path: Path) -> None:
    layout = made.write_layout(tmp_path / "layout")
    (tmp_path / "index").write_bytes((layout / "index.json").read_bytes())
    (layout / "index.json").unlink()
    (layout / "index.json").symlink_to(tmp_path / "index")
    with pytest.raises(ContainerError, match=r"index\.json"):
        store.add(layout)


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0, done.stderr
