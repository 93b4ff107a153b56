"""The files: their format, their lock, and what a full disk or a dead writer leaves."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni_spec.errors import IO_FAILURE, TRY_AGAIN_LATER, CniError
from ipam.directory import NOBODY, Owner, parse_owner
from tests.ipam_world import World, assert_in_step, files, pool


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@contextmanager
def held_lock(world: World) -> Iterator[int]:
    world.path.mkdir(exist_ok=True)
    fd = os.open(world.path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture(params=["without a name", "by a name"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make files in both ways: as on file systems with O_TMPFILE, and as on those without."""
    if request.param == "by a name":
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY)  # EISDIR


def test_files_are_the_reference_s_to_the_byte(world: World, way: None) -> None:
    world.add("a")
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in world.path.iterdir()}
    assert (world.path / "10.1.0.2").read_bytes() == b"a\r\neth0"
    assert (world.path / "last_reserved_ip.0").read_bytes() == b"10.1.0.2"
    assert modes == {"10.1.0.2": 0o600, "last_reserved_ip.0": 0o600, "lock": 0o644}
    assert stat.S_IMODE(world.path.stat().st_mode) == 0o755


def test_both_ways_of_writing_respect_a_file_that_is_there(world: World, way: None) -> None:
    world.path.mkdir()
    (world.path / "10.1.0.2").write_text("other\r\neth0")
    assert world.add("a") == ["10.1.0.3"]
    assert files(world.path)["10.1.0.2"] == "other\r\neth0"
    assert not (world.folder / ".podwire/net/draft").exists()


def test_a_left_over_draft_that_is_linked_is_not_written_to(world: World, way: None) -> None:
    world.add("a")
    draft = world.folder / ".podwire/net/draft"
    draft.hardlink_to(world.path / "10.1.0.2")
    world.add("b")
    assert files(world.path) == {"10.1.0.2": "a\r\neth0", "10.1.0.3": "b\r\neth0"}


def test_the_last_address_shrinks_without_a_trace_of_the_longer_one(world: World) -> None:
    world.pools = [pool("10.1.0.0/24 10.1.0.100 10.1.0.100", "10.1.0.0/24 10.1.0.2 10.1.0.2")]
    world.add("a")
    world.add("b")
    assert (world.path / "last_reserved_ip.0").read_text() == "10.1.0.2"


@pytest.mark.parametrize("content", [b"", b"\n", b"\0\0\0\0\0"])
def test_an_empty_file_belongs_to_nobody_and_is_reclaimed(world: World, content: bytes) -> None:
    world.pools = [pool("10.1.0.0/24 10.1.0.2 10.1.0.2")]
    world.path.mkdir()
    (world.path / "10.1.0.2").write_bytes(content)
    assert world.add("a") == ["10.1.0.2"]
    assert files(world.path) == {"10.1.0.2": "a\r\neth0"}


def test_an_empty_file_can_be_requested(world: World) -> None:
    world.add("a")
    (world.path / "10.1.0.9").touch()
    assert world.add("b", "10.1.0.9") == ["10.1.0.9"]


def test_a_folder_in_the_place_of_an_address_is_passed_over(world: World) -> None:
    (world.path / "10.1.0.2").mkdir(parents=True)
    assert world.add("a") == ["10.1.0.3"]
    with pytest.raises(CniError, match=r"10.1.0.2 is not available"):
        world.add("b", "10.1.0.2")


def test_strangers_files_are_left_alone(world: World) -> None:
    world.path.mkdir()
    (world.path / "README").write_text("a\r\neth0")
    (world.path / "last_reserved_ip.0").write_text("nonsense")
    assert world.add("a") == ["10.1.0.2"]
    world.delete("a")
    assert (world.path / "README").exists()


@pytest.mark.parametrize(
    ("content", "owner"),
    [
        (b"id\r\neth0", Owner("id", "eth0")),
        (b" id\r\neth0 \n", Owner("id", "eth0")),
        (b"id", Owner("id", "")),
        (b"id\n", Owner("id", "")),
        (b"", NOBODY),
        (b"\xff\xfe", Owner("\ufffd\ufffd", "")),
    ],
)
def test_white_space_around_a_content_does_not_count(content: bytes, owner: Owner) -> None:
    assert parse_owner(content) == owner


def test_a_lock_that_somebody_holds_is_waited_for_until_the_deadline(world: World) -> None:
    world.deadline = 0.2
    with held_lock(world):
        start = time.monotonic()
        with pytest.raises(CniError, match=r"try again later: the lock .*/lock was held") as caught:
            world.add("a")
        assert 0.2 <= time.monotonic() - start < 20
    assert caught.value.code == TRY_AGAIN_LATER
    world.deadline = 5
    assert world.add("a") == ["10.1.0.2"]


def test_a_lock_that_is_let_go_is_taken_at_once(world: World) -> None:
    given: list[str] = []
    waiting = threading.Thread(target=lambda: given.extend(world.add("a")))
    with held_lock(world) as fd:
        waiting.start()
        wait_blocked_on(fd)
    waiting.join(5)
    assert given == ["10.1.0.2"]


def test_who_gave_up_does_not_keep_the_lock(world: World) -> None:
    world.deadline = 0.05
    with held_lock(world):
        for who in "abc":
            with pytest.raises(CniError):
                world.add(who)
    world.deadline = 5
    assert world.add("d") == ["10.1.0.2"]
    waiters = [thread for thread in threading.enumerate() if thread.name == "ipam-lock"]
    for thread in waiters:
        thread.join(5)
    assert not any(thread.is_alive() for thread in waiters)


def wait_blocked_on(fd: int) -> None:
    """Return when somebody waits for a lock on this file (proc_locks(5): "->")."""
    inode = f":{os.fstat(fd).st_ino} "
    deadline = time.monotonic() + 5
    while not any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,nr_inodes=64", "tmpfs", folder], check=True)
    try:
        yield World(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_nothing_behind(small_disk: World) -> None:
    ballast = small_disk.folder / "ballast"
    small_disk.add("first")
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    before = files(small_disk.path)
    with pytest.raises(CniError, match="No space left on device") as caught:
        small_disk.add("second")
    assert caught.value.code == IO_FAILURE
    assert files(small_disk.path) == before == {"10.1.0.2": "first\r\neth0"}
    assert small_disk.delete("first") == ["10.1.0.2"], "giving back needs no space"
    ballast.unlink()
    assert small_disk.add("second") == ["10.1.0.3"]
    assert_in_step(small_disk)


def test_without_room_for_an_index_there_is_one_in_memory(small_disk: World) -> None:
    small_disk.path.mkdir()
    (small_disk.folder / ".podwire").write_text("a file where the index's folder should be")
    assert [small_disk.add(who) for who in "abc"] == [["10.1.0.2"], ["10.1.0.3"], ["10.1.0.4"]]
    assert small_disk.delete("b") == ["10.1.0.3"]
    assert small_disk.add("d", "10.1.0.3") == ["10.1.0.3"]


def test_a_directory_that_cannot_be_made_is_an_io_failure(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("in the way")
    with pytest.raises(CniError, match=f"reservations in {tmp_path}/net: File exists") as caught:
        World(tmp_path).add("a")
    assert caught.value.code == IO_FAILURE


def test_threads_of_one_process_exclude_each_other(world: World) -> None:
    with ThreadPoolExecutor(20) as threads:
        given = list(threads.map(lambda i: world.add(f"c{i}")[0], range(200)))
        assert len(set(given)) == 200 == len(files(world.path))
        released = list(threads.map(lambda i: world.delete(f"c{i}")[0], range(200)))
    assert released == given and files(world.path) == {}
    assert_in_step(world)
