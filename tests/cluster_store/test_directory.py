"""The directory alone: edits by hand, files that are no values, processes killed at any instant."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_store.directory import DirectoryStore
from cluster_store.key_names import key_of, name_of
from cluster_store.store import (
    DEADLINE,
    Check,
    Conflict,
    Delete,
    LeaseGone,
    Put,
    StoreRefused,
    StoreUnavailable,
)
from tests.cluster_store.mirror import Mirror

A, B, C, KEPT = "/net/a", "/net/b", "/net/c", "/net/kept"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return DirectoryStore(root)


@pytest.fixture
def mirror(store: DirectoryStore) -> Iterator[Mirror]:
    """Give a follower that has begun."""
    follower = store.follow("/net/")
    made = Mirror(follower)
    made.follow()
    yield made
    follower.close()


def test_a_value_is_a_file_that_a_person_can_read(store: DirectoryStore, root: Path) -> None:
    store.commit([], [Put("/coreos.com/network/config", '{"Network": "10.0.0.0/8"}')])
    assert (root / "%2Fcoreos.com%2Fnetwork%2Fconfig").read_text() == '{"Network": "10.0.0.0/8"}'


def test_names_are_keys_and_nothing_else(root: Path) -> None:
    for key in ("a", ".a", "a.b", "/a/b", "%2F", "ü", "a\0", "10.1.0.0-24&fd00::-64"):
        assert "/" not in name_of(key)
        assert not name_of(key).startswith(".")
        assert key_of(name_of(key)) == key
    for name in (".a", "a~", "%2f", "%61", "%FF", "a b", "#a#", "%2", "ü"):
        assert key_of(name) is None


def test_a_file_made_by_hand_is_an_item_younger_than_all(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    store.commit([], [Put(A, "1")])
    (root / name_of(B)).write_text("by hand\n")
    mirror.follow_until(B, "by hand\n")
    mine, hand = store.list("/net/").items
    assert hand.created > mine.created
    assert mirror.items[B] == hand


def test_an_edit_by_hand_is_an_event_and_a_new_version(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    store.commit([], [Put(A, "1")])
    before = store.read(A)
    assert before is not None
    (root / name_of(A)).write_text("2")  # the same size, within the same tick of the clock
    mirror.follow_until(A, "2")
    with pytest.raises(Conflict):
        store.commit([Check(A, before.version)], [Put(A, "3")])
    after = store.read(A)
    assert after is not None
    assert after.created == before.created


def test_a_file_removed_by_hand_is_gone_and_its_successor_is_young(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    store.commit([], [Put(A, "1")])
    store.commit([], [Put(B, "1")])
    mirror.follow_until(B)
    (root / name_of(A)).unlink()
    mirror.follow_until_gone(A)
    assert store.read(A) is None
    (root / name_of(A)).write_text("anew")
    mirror.follow_until(A, "anew")
    assert mirror.items[A].created > mirror.items[B].created


def test_a_file_renamed_into_place_as_rsync_does(store: DirectoryStore, root: Path, mirror: Mirror) -> None:
    temporary = root / ".%2Fnet%2Fa.Xy12z"
    temporary.write_text("half of")
    assert store.list("/").items == ()
    temporary.write_text("whole")
    temporary.rename(root / name_of(A))
    mirror.follow_until(A, "whole")
    assert len(mirror.told) == 1


def test_files_that_are_no_values_harm_nobody(store: DirectoryStore, root: Path, mirror: Mirror) -> None:
    (root / name_of("/net/huge")).write_bytes(b"x" * ((1 << 20) + 1))
    (root / name_of("/net/binary")).write_bytes(b"\xff\xfe\x00")
    (root / name_of("/net/folder")).mkdir()
    os.mkfifo(root / name_of("/net/fifo"))
    (root / name_of("/net/loop")).symlink_to(name_of("/net/loop"))
    (root / name_of("/net/nowhere")).symlink_to("/nonexistent/file")
    (root / "notes.txt~").write_text("not ours")
    store.commit([Check(A, 0)], [Put(A, "1")])
    mirror.follow_until(A)
    assert set(mirror.items) == {A}
    assert [item.key for item in store.list("").items] == [A]
    for key in ("/net/huge", "/net/binary", "/net/folder", "/net/fifo", "/net/loop"):
        with pytest.raises(StoreRefused, match="mend or remove it"):
            store.read(key)
        with pytest.raises(StoreRefused, match="mend or remove it"):
            store.commit([Check(key, 0)], [Put(key, "mine now")])


def test_a_value_that_becomes_unreadable_is_gone_and_comes_back(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    store.commit([], [Put(A, "1"), Put(B, "1")])
    mirror.follow_until(B)
    (root / name_of(A)).write_bytes(b"\xff")
    mirror.follow_until_gone(A)
    (root / name_of(A)).write_text("mended")
    mirror.follow_until(A, "mended")


BLIND = """
import sys
from pathlib import Path
from cluster_store.directory import DirectoryStore
from cluster_store.file_changes import FileChanges
try:
    FileChanges(Path(sys.argv[1]))
except OSError:
    print("blind", flush=True)
follower = DirectoryStore(Path(sys.argv[1])).follow("")
print(follower.next(1).items, flush=True)
print(follower.next(20)[0].item.value, flush=True)
print(follower.next(20)[0].item, flush=True)
"""


def test_without_inotify_a_rescan_finds_it(store: DirectoryStore, root: Path) -> None:
    """In a user namespace that may have no instance, as where other programs have taken them all."""
    limited = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    command = ["unshare", "-Ur", "sh", "-c", limited, "sh", sys.executable, "-c", BLIND, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        if process.stdout.readline() != "blind\n":
            pytest.skip("no user namespace can be made here")
        assert process.stdout.readline() == "()\n"
        (root / name_of(A)).write_text("by hand")
        assert process.stdout.readline() == "by hand\n"
        (root / name_of(A)).unlink()
        assert process.stdout.readline() == "None\n"


def test_a_burst_that_inotify_drops_is_found(store: DirectoryStore, root: Path, mirror: Mirror) -> None:
    """More events than fs.inotify.max_queued_events; alternating, since equal neighbours are merged."""
    count = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    files = [root / "x", root / "y"]
    for n in range(count + 100):
        files[n % 2].write_text("")
    (root / name_of(B)).write_text("after the overflow")
    mirror.follow_until(B)


def test_a_holder_that_never_lets_go_is_not_waited_for_for_ever(store: DirectoryStore, root: Path) -> None:
    store.commit([], [Put(A, "1")])
    command = ["flock", "--no-fork", str(root / ".store" / "lock"), "sh", "-c", "echo held; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            store.read(A)
        assert DEADLINE - 0.5 < time.monotonic() - begin < DEADLINE + 2
        holder.kill()


@pytest.mark.parametrize("ends_at", ["own", "foreign"])
def test_a_lease_of_before_a_reboot_runs_once_more_and_no_longer(
    store: DirectoryStore, root: Path, ends_at: str
) -> None:
    lease = store.grant(1)
    store.commit([], [Put(A, "1", lease), Put(KEPT, "1")])
    note = root / ".store" / "leases" / str(lease)
    if ends_at == "foreign":
        note.write_text("1\n11111111-2222-3333-4444-555555555555 0.001\n")
    begin = time.monotonic()
    mirror = Mirror(store.follow("/net/"))
    mirror.follow_until(A)
    mirror.follow_until_gone(A)
    mirror.follower.close()
    assert 0.5 < time.monotonic() - begin < 10
    assert not note.exists()
    with pytest.raises(LeaseGone):
        store.keep_alive(lease)


def test_a_lease_says_nothing_of_the_wall_clock(store: DirectoryStore, root: Path) -> None:
    lease = store.grant(60)
    note = root / ".store" / "leases" / str(lease)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ttl, line = note.read_text().splitlines()
    assert ttl == "60"
    assert line.split()[0] == boot
    assert 0 < float(line.split()[1]) - time.clock_gettime(time.CLOCK_BOOTTIME) < 60.01


def test_a_folder_that_is_not_there_says_so_and_is_used_when_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = DirectoryStore(tmp_path / "file" / "registry")
    follower = store.follow("")
    for ask in (lambda: store.list(""), lambda: store.grant(5), lambda: follower.next(1)):
        with pytest.raises(StoreUnavailable, match="file"):
            ask()
    (tmp_path / "file").unlink()
    (tmp_path / "file" / "registry").mkdir(parents=True)
    store.commit([], [Put(A, "1")])
    assert follower.next(1) == store.list("")
    follower.close()


def test_a_folder_emptied_and_begun_anew_is_told_as_a_snapshot(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    for n in range(3):
        store.commit([], [Put(A, str(n)), Put(B, str(n))])
    mirror.follow_until(B, "2")
    shutil.rmtree(root / ".store")
    (root / name_of(B)).unlink()
    begun_anew = DirectoryStore(root)
    assert begun_anew.list("") == store.list(""), "nobody goes by the numbers of before"
    begun_anew.commit([], [Put(C, "new")])
    mirror.follow_until(C)
    assert mirror.snapshots == 2
    assert mirror.values() == {A: "2", C: "new"}


def test_a_disk_mounted_over_the_folder_is_the_registry_then(
    store: DirectoryStore, root: Path, mirror: Mirror
) -> None:
    store.commit([], [Put(A, "below")])
    mirror.follow_until(A)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(root)], check=True)
    try:
        store.commit([], [Put(B, "above")])
        mirror.follow_until(B)
        assert mirror.values() == {B: "above"}
        (root / name_of(C)).write_text("seen at once")
        begin = time.monotonic()
        mirror.follow_until(C)
        assert time.monotonic() - begin < 3
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def test_a_damaged_note_costs_no_value(store: DirectoryStore, root: Path) -> None:
    store.commit([], [Put(A, "1"), Put(B, "2")])
    for note in (root / ".store" / "about").iterdir():
        note.write_bytes(b"")
    (root / ".store" / "commit").write_bytes(b"")
    (root / ".store" / "leases" / "77").write_bytes(b"")
    fresh = DirectoryStore(root)
    assert {item.key: item.value for item in fresh.list("").items} == {A: "1", B: "2"}
    fresh.commit([], [Put(C, "3")])


@pytest.mark.parametrize(
    "steps",
    [[["../victim"]], [["..%2Fvictim", "../../../victim", "1 1 0 1 1 1"]], [[]], [["a", "0"]], [5], 5, None],
    ids=str,
)
def test_a_commit_that_no_store_has_written_touches_nothing(root: Path, steps: object) -> None:
    victim = root.parent / "victim"
    victim.write_text("here")
    store = DirectoryStore(root)
    store.commit([], [Put(A, "1")])
    (root / ".store" / "commit").write_text(json.dumps({"revision": 99, "steps": steps}))
    assert [item.value for item in store.list("").items] == ["1"]
    assert victim.read_text() == "here"


def die_before_step(number: int) -> None:
    """Kill this process before it does its `number`-th thing to a file (sys.addaudithook)."""
    left = number
    touching = {"open", "os.rename", "os.remove", "os.utime", "os.mkdir", "os.truncate"}

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in touching:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def commit_and_die(root: Path, number: int) -> bool:
    """Commit in a child that is killed before a step; tell if it got to its end."""
    child = os.fork()
    if child == 0:
        store = DirectoryStore(root)
        before = store.read(B)
        version = before.version if before else 0
        die_before_step(number)
        store.commit([Check(B, version)], [Put(A, "new"), Put(B, "new"), Delete(C)])
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_commit_killed_before_any_step_is_made_or_not(tmp_path: Path) -> None:
    old, new = {B: "old", C: "old", KEPT: "old"}, {A: "new", B: "new", KEPT: "old"}
    outcomes = []
    for number in range(200):
        root = tmp_path / str(number)
        store = DirectoryStore(root)
        store.commit([], [Put(key, "old") for key in old])
        kept = store.read(KEPT)
        survived = commit_and_die(root, number)
        items = {item.key: item for item in store.list("").items}
        found = {key: item.value for key, item in items.items()}
        assert found in (old, new), (number, found)
        assert items[KEPT] == kept
        assert len({item.version for item in items.values()}) == (1 if found == old else 2)
        store.commit([Check(A, items[A].version if A in items else 0)], [Put(A, "after")])
        outcomes.append(found == new)
        if survived:
            break
    assert survived
    assert outcomes == sorted(outcomes), "once certain, a commit stays so"
    assert outcomes.count(False) > 3
    assert outcomes.count(True) > 3


def test_a_lease_killed_while_it_ends_ends_all_the_same(tmp_path: Path) -> None:
    for number in range(200):
        root = tmp_path / str(number)
        store = DirectoryStore(root)
        lease = store.grant(60)
        store.commit([], [Put(A, "1", lease), Put(B, "1", lease), Put(KEPT, "1")])
        child = os.fork()
        if child == 0:
            die_before_step(number)
            DirectoryStore(root).revoke(lease)
            os._exit(0)
        survived = os.waitpid(child, 0)[1] == 0
        assert {item.key for item in store.list("").items} in ({A, B, KEPT}, {KEPT})
        store.revoke(lease)
        assert {item.key for item in store.list("").items} == {KEPT}
        if survived:
            break
    assert survived
