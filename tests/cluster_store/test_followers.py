"""Every registry: a snapshot first, then what changed, in order and whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cluster_store.store import Delete, Put, Snapshot, Store, StoreUnavailable
from tests.cluster_store.mirror import Mirror
from tests.cluster_store.registries import MANY_KEYS_AT_ONCE, Registry
from tests.rounds import rounds

PREFIX = "/net/subnets/"
WRITES = 2 * rounds(300)
END = PREFIX + "~end"


@pytest.fixture
def mirror(store: Store) -> Iterator[Mirror]:
    """Give a follower that has not been asked yet."""
    follower = store.follow(PREFIX)
    yield Mirror(follower)
    follower.close()


def write_much(store: Store) -> None:
    """Make WRITES commits: new keys, then each changed again, or, every fifth, removed; then the end."""
    for n in range(WRITES):
        key = f"{PREFIX}{n % (WRITES // 2):04}"
        if n >= WRITES // 2 and n % 5 == 0:
            store.commit([], [Delete(key)])
        else:
            store.commit([], [Put(key, str(n))])
    store.commit([], [Put(END, "end")])


def contents(store: Store) -> dict[str, str]:
    return {item.key: item.value for item in store.list(PREFIX).items}


def test_the_first_is_a_snapshot_and_nothing_is_nothing(store: Store, mirror: Mirror) -> None:
    store.commit([], [Put(PREFIX + "a", "1")])
    store.commit([], [Put("/net/config", "not under it")])
    assert mirror.follower.next(5) == store.list(PREFIX)
    assert mirror.follower.next(0.1) == ()
    store.commit([], [Put("/net/config", "changed")])
    assert mirror.follower.next(0.1) == ()


def test_events_come_as_the_changes_were_made(store: Store, mirror: Mirror) -> None:
    mirror.follow()
    keys = [f"{PREFIX}{name}" for name in "zaymbx"]
    for key in keys:
        store.commit([], [Put(key, "1")])
    store.commit([], [Delete(keys[0])])
    store.commit([], [Put(END, "end")])
    mirror.follow_until(END)
    lasting = [key for key in mirror.told if key != keys[0]]  # it came and went: not all registries tell
    assert lasting == [*keys[1:], END]
    assert mirror.values() == contents(store)


@pytest.mark.needs(MANY_KEYS_AT_ONCE)
def test_a_commits_changes_come_together(store: Store, mirror: Mirror) -> None:
    mirror.follow()
    store.commit([], [Put(PREFIX + name, "1") for name in "abc"])
    events = mirror.follower.next(5)
    assert not isinstance(events, Snapshot)
    assert [event.key for event in events] == [PREFIX + name for name in "abc"]


def test_nothing_is_lost_while_connected(store: Store, mirror: Mirror, registry: Registry) -> None:
    mirror.follow()
    writer = registry.open()
    thread = threading.Thread(target=write_much, args=(writer,))
    thread.start()
    mirror.follow_until(END)
    thread.join()
    assert mirror.values() == contents(store)
    assert set(mirror.told) >= set(mirror.items)
    assert mirror.snapshots == 1
    assert mirror.failures == 0


def test_nothing_is_lost_while_disconnected(store: Store, mirror: Mirror) -> None:
    store.commit([], [Put(PREFIX + "before", "1"), Put(PREFIX + "goes", "1")])
    known = store.list(PREFIX)
    store.commit([], [Delete(PREFIX + "goes")])
    write_much(store)
    follower = store.follow(PREFIX, known)
    resumed = Mirror(follower)
    resumed.items = {item.key: item for item in known.items}
    resumed.follow_until(END)
    resumed.follow()
    follower.close()
    assert resumed.values() == contents(store)
    assert resumed.snapshots == 0
    assert PREFIX + "goes" in resumed.told
    assert PREFIX + "before" not in resumed.told


def test_nothing_is_lost_over_outages(store: Store, mirror: Mirror, registry: Registry) -> None:
    mirror.follow()
    writer = registry.open()
    thread = threading.Thread(target=write_stubbornly, args=(writer,))
    thread.start()
    for turn in (WRITES * part // 20 for part in (3, 9, 15)):
        mirror.follow_until(f"{PREFIX}{turn}")
        registry.break_down()
        with pytest.raises(StoreUnavailable):
            while True:
                mirror.follow()
        registry.start()
    mirror.follow_until(END)
    thread.join()
    writer.close()
    assert mirror.values() == contents(store)
    assert len(mirror.items) == WRITES + 1


def write_stubbornly(store: Store) -> None:
    """Write WRITES keys and the end, each until it is taken."""
    for key in [*(f"{PREFIX}{n}" for n in range(WRITES)), END]:
        while True:
            try:
                store.commit([], [Put(key, "1")])
                break
            except StoreUnavailable:
                time.sleep(0.02)  # the registry is down on purpose


def test_a_known_snapshot_that_is_still_true_needs_no_other(store: Store) -> None:
    store.commit([], [Put(PREFIX + "a", "1")])
    follower = store.follow(PREFIX, store.list(PREFIX))
    assert follower.next(0.2) == ()
    store.commit([], [Put(PREFIX + "b", "1")])
    events = follower.next(5)
    follower.close()
    assert not isinstance(events, Snapshot)
    assert [event.key for event in events] == [PREFIX + "b"]


def test_after_its_history_is_forgotten_the_right_state_is_told(store: Store, registry: Registry) -> None:
    store.commit([], [Put(PREFIX + "goes", "1"), Put(PREFIX + "stays", "1")])
    known = store.list(PREFIX)
    store.commit([], [Delete(PREFIX + "goes"), Put(END, "end")])
    store.commit([], [Put(PREFIX + "new", "1")])
    registry.forget_history()
    follower = store.follow(PREFIX, known)
    mirror = Mirror(follower)
    mirror.items = {item.key: item for item in known.items}
    mirror.follow_until(END)
    mirror.follow()
    follower.close()
    assert mirror.values() == contents(store)
    assert PREFIX + "goes" not in mirror.items


def test_an_outage_with_compaction_loses_nothing(store: Store, mirror: Mirror, registry: Registry) -> None:
    store.commit([], [Put(PREFIX + "goes", "1")])
    mirror.follow()
    registry.break_down()
    with pytest.raises(StoreUnavailable):
        mirror.follow()
    registry.start()
    store.commit([], [Delete(PREFIX + "goes")])
    store.commit([], [Put(END, "end")])
    registry.forget_history()
    mirror.follow_until(END)
    assert mirror.values() == contents(store) == {END: "end"}


def test_a_registry_killed_and_started_again_is_followed_on(
    store: Store, mirror: Mirror, registry: Registry
) -> None:
    store.commit([], [Put(PREFIX + "a", "1")])
    mirror.follow()
    for turn in range(3):
        registry.break_down()
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.list(PREFIX)
        with pytest.raises(StoreUnavailable):
            mirror.follow()
        assert time.monotonic() - begin < 11
        registry.start()
        store.commit([], [Put(PREFIX + "a", f"turn {turn}")])
        mirror.follow_until(PREFIX + "a", f"turn {turn}")
    assert mirror.values() == contents(store)


def test_a_registry_begun_anew_is_told_as_a_snapshot(
    store: Store, mirror: Mirror, registry: Registry
) -> None:
    for n in range(20):
        store.commit([], [Put(PREFIX + "old", str(n))])
    mirror.follow()
    registry.wipe()
    anew = registry.open()
    anew.commit([], [Put(END, "end")])
    mirror.follow_until(END)
    mirror.follow()
    assert mirror.snapshots == 2
    assert mirror.values() == {END: "end"}
    anew.close()


def test_close_from_another_thread_ends_a_wait(store: Store) -> None:
    follower = store.follow(PREFIX)
    follower.next(5)
    waits, ended = threading.Event(), threading.Event()

    def wait() -> None:
        waits.set()
        assert follower.next(60) == ()
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    waits.wait()
    follower.close()
    assert ended.wait(5)
    thread.join()
    with pytest.raises(StoreUnavailable, match="closed"):
        follower.next(0)
    follower.close()


def test_a_follower_that_was_never_asked_can_be_closed(store: Store) -> None:
    store.follow(PREFIX).close()


def test_many_followers_are_told_the_same(store: Store) -> None:
    mirrors = [Mirror(store.follow(PREFIX)) for _ in range(10)]
    for mirror in mirrors:
        mirror.follow()
    store.commit([], [Put(END, "end")])
    for mirror in mirrors:
        mirror.follow_until(END)
        mirror.follower.close()
    assert {tuple(mirror.items.values()) for mirror in mirrors} == {store.list(PREFIX).items}
