"""Every registry: reading, listing, committing."""

from __future__ import annotations

import time

import pytest

from cluster_store.store import DEADLINE, Check, Conflict, Delete, Item, Put, Store, StoreRefused
from tests.cluster_store.registries import ANY_KEY, MANY_KEYS_AT_ONCE, Registry

A, B, C = "/net/subnets/10.1.0.0-24", "/net/subnets/10.1.1.0-24", "/net/config"
BATCH = 100  # etcd takes 128 operations in a transaction
UNICODE = ("", " ", "\n", "ü", "日本語", "🐳", "a\0b", "\r\nx\r\n", '{"PublicIP": "10.0.0.1"}', "x" * 500_000)
HOSTILE = (
    *(
        "..",
        ".",
        "/",
        "//",
        "../../etc/passwd",
        "/a/../b",
        ".store/lock",
        ".hidden",
        "~",
        "-rf",
        "a b",
        "a\nb",
    ),
    *(
        "%2F",
        "%",
        "%ZZ",
        "a%00b",
        "\0",
        "a\0b",
        "ü" * 40,
        "🐳",
        "$(reboot)",
        "x" * 4000,
        "/y" * 2000,
        "\udc80",
        "",
    ),
)


def put(store: Store, key: str, value: str) -> Item:
    store.commit([], [Put(key, value)])
    item = store.read(key)
    assert item is not None
    return item


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.read(A) is None
    assert store.list("/").items == ()
    store.commit([Check(A, 0)], [Delete(A)])


def test_what_is_put_is_read_and_listed(store: Store) -> None:
    item = put(store, A, "one")
    assert (item.key, item.value, item.lease) == (A, "one", 0)
    assert store.list("/net/").items == (item,)


def test_a_list_is_sorted_and_has_only_what_starts_so(store: Store) -> None:
    for key in (B, C, A, "/network", "/ne", "/net/ü", "/net/%", "/net/~"):
        put(store, key, key)
    keys = [item.key for item in store.list("/net/").items]
    assert keys == sorted([A, B, C, "/net/ü", "/net/%", "/net/~"])
    assert [item.key for item in store.list("/net/subnets/10.1.0").items] == [A]
    assert [item.key for item in store.list("/net/ü").items] == ["/net/ü"]
    assert [item.key for item in store.list("/net/%").items] == ["/net/%"]
    assert len(store.list("").items) == 8


def test_the_snapshots_revision_grows(store: Store) -> None:
    before = store.list("/").revision
    put(store, A, "one")
    assert store.list("/").revision > before


def test_a_version_differs_after_each_change_and_created_does_not(store: Store) -> None:
    first, second, same = (put(store, A, value) for value in ("one", "two", "two"))
    assert first.version < second.version < same.version
    assert first.created == second.created == same.created
    assert put(store, B, "later").created > first.created
    store.commit([], [Delete(A)])
    assert put(store, A, "anew").created > first.created


def test_create_only_refuses_a_second_owner_and_says_who_is_first(store: Store) -> None:
    store.commit([Check(A, 0)], [Put(A, "first")])
    with pytest.raises(Conflict) as caught:
        store.commit([Check(A, 0)], [Put(A, "second")])
    found = caught.value.found[A]
    assert found is not None
    assert found.value == "first"
    assert found == store.read(A)


def test_compare_and_set_by_version(store: Store) -> None:
    first = put(store, A, "one")
    store.commit([Check(A, first.version)], [Put(A, "two")])
    with pytest.raises(Conflict):
        store.commit([Check(A, first.version)], [Put(A, "three")])
    second = store.read(A)
    assert second is not None
    assert second.value == "two"
    with pytest.raises(Conflict):
        store.commit([Check(A, first.version)], [Delete(A)])
    store.commit([Check(A, second.version)], [Delete(A)])
    with pytest.raises(Conflict) as caught:
        store.commit([Check(A, second.version)], [Put(A, "four")])
    assert caught.value.found == {A: None}


@pytest.mark.needs(MANY_KEYS_AT_ONCE)
def test_a_commit_changes_all_keys_or_none(store: Store) -> None:
    first = put(store, C, "config")
    store.commit([Check(A, 0), Check(C, first.version)], [Put(A, "a"), Put(B, "b"), Delete(C)])
    assert [(item.key, item.value) for item in store.list("/").items] == [(A, "a"), (B, "b")]
    before = store.list("/").items
    with pytest.raises(Conflict) as caught:
        store.commit([Check(C, 0), Check(A, 0)], [Put(C, "c"), Delete(B), Put(A, "other")])
    assert set(caught.value.found) == {A, C}
    assert caught.value.found[C] is None
    assert store.list("/").items == before


@pytest.mark.needs(MANY_KEYS_AT_ONCE)
def test_a_key_twice_in_a_commit_is_refused_whole(store: Store) -> None:
    with pytest.raises(StoreRefused):
        store.commit([], [Put(B, "b"), Put(A, "one"), Put(A, "two")])
    assert store.list("/").items == ()


@pytest.mark.needs(MANY_KEYS_AT_ONCE)
def test_a_commit_of_very_many_keys_is_made_or_refused_whole(store: Store) -> None:
    changes = [Put(f"/net/{n}", "1") for n in range(1000)]
    try:
        store.commit([], changes)
    except StoreRefused:  # etcd: --max-txn-ops
        assert store.list("/").items == ()
    else:
        assert len(store.list("/").items) == 1000


def test_checks_alone_change_nothing(store: Store) -> None:
    store.commit([Check(A, 0)], [])
    with pytest.raises(Conflict):
        store.commit([Check(A, 7)], [])


@pytest.mark.parametrize("value", UNICODE, ids=lambda value: ascii(value)[:12])
def test_a_value_comes_back_as_it_was(store: Store, value: str) -> None:
    assert put(store, A, value).value == value
    assert store.list("/").items[0].value == value


@pytest.mark.parametrize("value", ["x" * (8 << 20), "\udcff"], ids=["8 MiB", "half a character"])
def test_a_value_that_cannot_be_is_refused_and_changes_nothing(store: Store, value: str) -> None:
    put(store, A, "one")
    with pytest.raises(StoreRefused):
        store.commit([], [Put(A, value)])
    assert [item.value for item in store.list("/").items] == ["one"]


@pytest.mark.needs(ANY_KEY)
@pytest.mark.parametrize("key", HOSTILE, ids=lambda key: ascii(key)[:20])
def test_a_hostile_key_is_a_key_or_refused(store: Store, key: str) -> None:
    neighbour = put(store, A, "neighbour")
    try:
        item = put(store, key, "hostile")
    except StoreRefused:
        assert store.list("").items == (neighbour,)
        return
    assert item.key == key
    assert {found.key for found in store.list("").items} == {A, key}
    store.commit([Check(key, item.version)], [Delete(key)])
    assert store.list("").items == (neighbour,)


def test_another_store_sees_the_same(store: Store, registry: Registry) -> None:
    item = put(store, A, "one")
    other = registry.open()
    try:
        assert other.read(A) == item
        assert other.list("/") == store.list("/")
    finally:
        other.close()


def test_five_thousand_keys_are_listed_in_time(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [f"/net/subnets/10.{n >> 8}.{n & 255}.0-24" for n in range(5000)]
    for start in range(0, len(keys), BATCH):
        store.commit([], [Put(key, f'{{"PublicIP": "{key}"}}') for key in keys[start : start + BATCH]])
    begin = time.perf_counter()
    found = store.list("/net/")
    seconds = time.perf_counter() - begin
    with capsys.disabled():
        print(f"\n{store.name}: {len(found.items)} keys listed in {seconds * 1000:.0f} ms")
    assert [item.key for item in found.items] == sorted(keys)
    assert seconds < DEADLINE


def test_the_name_says_kind_and_place(store: Store) -> None:
    assert store.name.split()[0] in ("directory", "etcd")
