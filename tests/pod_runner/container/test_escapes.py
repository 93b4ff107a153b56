"""No path leads out of a container's root: not through links, /proc, `..`, nor what changes under a mount."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError, Mount, RootFs
from pod_runner.kernel import starting
from tests.pod_runner.container.world import World

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
libc = ctypes.CDLL(None)
ROUNDS = 40  # starts while a path is swapped; each is about 10 ms
NAMES = ("proc", "sys", "dev")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("led", ["/outside", "../../../../outside", "/"])
def test_an_image_whose_system_folder_is_a_link_is_refused(world: World, name: str, led: str) -> None:
    layer = world.folder / "layer"
    layer.mkdir()
    (layer / name).symlink_to(led)
    with world.pod() as pod, pytest.raises(ContainerError, match=name):
        world.run(pod, "true", "x", root=world.root(layer, world.image))


@pytest.mark.parametrize("link", ["/", "../../../../../..", "/proc/1/root", "/etc/.."])
def test_a_volumes_target_that_is_a_link_stays_in_the_root(world: World, link: str) -> None:
    volume = _volume(world)
    layer = world.folder / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "link").symlink_to(link)
    spec_root = world.root(layer, world.image)
    mounts = (Mount(volume, "/link/deep/target"),)
    with world.pod() as pod:
        try:
            done = world.run(pod, "cat /link/deep/target/file", root=spec_root, mounts=mounts)
        except ContainerError as error:  # a link of /proc is no path
            assert link == "/proc/1/root", error
        else:
            assert done.output.endswith("inside")
    assert not Path("/deep").exists()


@pytest.mark.parametrize("path", ["out", "up", "out/passwd", "../image", "sub/../../image", "magic"])
def test_a_sub_path_that_leads_out_of_its_volume_is_refused(world: World, path: str) -> None:
    volume = _volume(world)
    (volume / "out").symlink_to("/etc")
    (volume / "up").symlink_to("../image")
    (volume / "magic").symlink_to("/proc/self/root")
    with world.pod() as pod, pytest.raises(ContainerError):
        world.run(pod, "ls /v", mounts=(Mount(volume, "/v", sub_path=path),))


def test_a_link_within_the_volume_is_followed(world: World) -> None:
    volume = _volume(world)
    (volume / "..data").symlink_to("sub")
    (volume / "key").symlink_to("..data/file")
    with world.pod() as pod:
        done = world.run(pod, "cat /key", mounts=(Mount(volume, "/key", sub_path="key"),))
    assert done.output == "inside"


def test_a_sub_path_that_is_swapped_all_the_time_never_leads_out(world: World) -> None:
    volume, outside = _volume(world), world.folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("OUTSIDE")
    (volume / "link").symlink_to("../outside")
    seen: set[str] = set()
    with world.pod() as pod, _swapping(volume / "sub", volume / "link"):
        for _ in range(ROUNDS):
            try:
                mounts = (Mount(volume, "/v", sub_path="sub"),)
                seen.add(world.run(pod, "cat", "/v/file", mounts=mounts).output)
            except ContainerError:
                seen.add("refused")
    assert seen == {"inside", "refused"}


def test_a_volume_that_is_replaced_later_is_still_the_one_that_was_mounted(world: World) -> None:
    volume = _volume(world)
    spec = world.spec("read line; cat /v/file", mounts=(Mount(volume, "/v", sub_path="sub"),))
    with world.pod() as pod, world.running(pod, spec) as one:
        (volume / "sub").rename(volume / "gone")
        (volume / "sub").symlink_to("/etc")
        assert one.say("go on\n") == "inside"


def test_a_target_that_another_container_swaps_all_the_time_never_leads_out(world: World) -> None:
    shared = _volume(world)
    (shared / "target").mkdir()
    (shared / "link").symlink_to("/etc")
    seen: set[str] = set()
    mounts = (Mount(shared, "/shared"), Mount(_volume(world, "second"), "/shared/target"))
    before = Path("/proc/self/mountinfo").read_text()
    with world.pod() as pod, _swapping(shared / "target", shared / "link"):
        for _ in range(ROUNDS // 2):
            try:
                seen.add(world.run(pod, "ls", "/etc", mounts=mounts).output)
            except ContainerError:
                seen.add("refused")
    assert Path("/proc/self/mountinfo").read_text() == before
    assert "passwd" not in "".join(seen)


@pytest.mark.parametrize(
    "folder", ["/proc/self/fd/8", "/proc/self/fd/100", "/proc/thread-self/cwd", "/proc/1/root"]
)
def test_no_working_directory_is_a_descriptor_of_the_node(world: World, folder: str) -> None:
    with world.pod() as pod, pytest.raises(ContainerError):
        world.run(pod, "true", "x", cwd=folder)


@pytest.mark.parametrize("target", ["/", "/proc/sys", "relative", "/a/../../b", "/proc"])
def test_a_target_where_no_volume_may_be_is_refused(world: World, target: str) -> None:
    with world.pod() as pod, pytest.raises(ContainerError, match="cannot be mounted"):
        world.run(pod, "true", "x", mounts=(Mount(_volume(world), target),))


def test_dotdot_and_chroot_end_at_the_containers_root(world: World) -> None:
    jail = "mkdir /jail; cp -r /bin /jail; chroot /jail sh -c 'cd ../../..; ls -d bin'"
    script = f"cd /../../../..; ls; {jail}; ls /proc/1/root"
    with world.pod() as pod:
        done = world.run(pod, script)
    assert done.output.split() == ["bin", "dev", "proc", "sys", "bin", "bin", "dev", "jail", "proc", "sys"]


@pytest.mark.parametrize("how", ["argv", "script"])
def test_the_program_that_starts_containers_cannot_be_reached_by_one(world: World, how: str) -> None:
    """CVE-2019-5736: /proc/self/exe as program, or as a script's interpreter, is no file of the node."""
    script = world.image / "run"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    before = starting.STARTER.read_bytes()
    with world.pod() as pod:
        done = world.run(pod, *(("/proc/self/exe", "x") if how == "argv" else ("/run", "x")))
    assert done.code == 127  # the starter, without a program
    assert starting.STARTER.read_bytes() == before


def test_a_container_that_holds_the_starter_open_does_not_hinder_others(world: World) -> None:
    descriptor = starting.starter_binary()
    assert descriptor is not None
    held = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
    with pytest.raises(PermissionError):
        os.write(held, b"x")
    with world.pod() as pod:
        assert world.run(pod, "true", "x").code == 0
    os.close(held)


def test_layers_hide_and_show_as_an_image_says(world: World) -> None:
    upper, lower = world.folder / "b:with,odd=name", world.folder / "a"
    for folder, text in ((upper, "upper"), (lower, "lower")):
        folder.mkdir()
        (folder / "file").write_text(text)
        (folder / text).touch()
    with world.pod() as pod:
        done = world.run(pod, "cat /file; ls /", root=world.root(upper, lower, world.image))
    assert done.output == "upperbin\ndev\nfile\nlower\nproc\nsys\nupper\n"


def test_as_many_layers_as_images_have_are_one_root(world: World) -> None:
    layers = []
    for number in range(127):
        layers.append(world.folder / f"a-layer-with-a-rather-long-name-{number}")
        layers[-1].mkdir(parents=True)
        (layers[-1] / f"f{number}").touch()
    with world.pod() as pod:
        done = world.run(pod, "ls / | grep -c ^f", root=world.root(*layers, world.image))
    assert done.output == "127\n"


def test_what_a_container_writes_is_in_upper_alone(world: World) -> None:
    root = world.root()
    before = sorted(str(one) for one in world.image.rglob("*"))
    with world.pod() as pod:
        world.run(pod, "echo new > /file; rm /bin/cat", root=root)
    assert root.upper is not None
    assert (root.upper / "file").read_text() == "new\n"
    assert sorted(str(one) for one in world.image.rglob("*")) == before


def test_a_root_of_one_folder_is_read_only(world: World) -> None:
    for name in NAMES:
        (world.image / name).mkdir()
    with world.pod() as pod:
        done = world.run(pod, "touch /x", root=RootFs((world.image,), None, None))
    assert "Read-only file system" in done.output


def _volume(world: World, name: str = "volume") -> Path:
    folder = world.folder / name
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("inside")
    (folder / "sub" / "file").write_text("inside")
    return folder


@contextmanager
def _swapping(one: Path, other: Path) -> Iterator[None]:
    """Exchange two paths all the time, in a thread."""
    over = threading.Event()

    def swap() -> None:
        paths = (AT_FDCWD, bytes(one), AT_FDCWD, bytes(other))
        while not over.is_set():
            assert libc.renameat2(*paths, RENAME_EXCHANGE) == 0

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
