"""Every registry with leases: they end in time, and their keys with them."""

from __future__ import annotations

import time

import pytest

from cluster_store.store import Check, Conflict, LeaseGone, Put, Store, StoreRefused
from tests.cluster_store.mirror import Mirror
from tests.cluster_store.registries import LEASES

pytestmark = pytest.mark.needs(LEASES)
PREFIX = "/net/"
A, B, KEPT = PREFIX + "a", PREFIX + "b", PREFIX + "kept"


def test_an_expired_leases_keys_go_and_others_stay(store: Store) -> None:
    mirror = Mirror(store.follow(PREFIX))
    lease = store.grant(1)
    store.commit([], [Put(A, "1", lease), Put(B, "2", lease), Put(KEPT, "3")])
    found = store.read(A)
    assert found is not None
    assert found.lease == lease
    mirror.follow_until(A)
    mirror.follow_until_gone(A)
    mirror.follow_until_gone(B)
    mirror.follower.close()
    assert [item.key for item in store.list(PREFIX).items] == [KEPT]
    with pytest.raises(LeaseGone):
        store.keep_alive(lease)


def test_keep_alive_keeps_it_and_nobody_is_told(store: Store) -> None:
    mirror = Mirror(store.follow(PREFIX))
    lease = store.grant(2)
    store.commit([Check(A, 0)], [Put(A, "1", lease)])
    mirror.follow_until(A)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert store.keep_alive(lease) == 2
        assert not mirror.follow(0.3)
    mirror.follower.close()
    assert store.read(A) is not None
    store.revoke(lease)


def test_a_lease_that_is_no_more_takes_no_key(store: Store) -> None:
    lease = store.grant(60)
    store.revoke(lease)
    for gone in (lease, 12345):
        with pytest.raises(LeaseGone):
            store.commit([], [Put(A, "1", gone)])
        with pytest.raises(LeaseGone):
            store.keep_alive(gone)
    assert store.list(PREFIX).items == ()


def test_a_failed_check_comes_before_a_lease_that_is_gone(store: Store) -> None:
    store.commit([], [Put(A, "1")])
    with pytest.raises(Conflict):
        store.commit([Check(A, 0)], [Put(A, "2", 12345)])


def test_revoke_removes_the_keys_at_once_and_twice_is_quiet(store: Store) -> None:
    mirror = Mirror(store.follow(PREFIX))
    lease, other = store.grant(60), store.grant(60)
    assert lease != other
    store.commit([], [Put(A, "1", lease), Put(KEPT, "2", other)])
    mirror.follow_until(KEPT)
    store.revoke(lease)
    assert [item.key for item in store.list(PREFIX).items] == [KEPT]
    mirror.follow_until_gone(A)
    mirror.follower.close()
    store.revoke(lease)


def test_a_key_put_anew_without_the_lease_outlives_it(store: Store) -> None:
    lease = store.grant(60)
    store.commit([], [Put(A, "1", lease)])
    store.commit([], [Put(A, "2")])
    store.revoke(lease)
    found = store.read(A)
    assert found is not None
    assert (found.value, found.lease) == ("2", 0)


def test_a_lease_of_no_time_is_refused(store: Store) -> None:
    with pytest.raises(StoreRefused):
        store.grant(0)


def test_a_lease_outlives_the_store_that_asked_for_it(store: Store) -> None:
    lease = store.grant(60)
    store.commit([], [Put(A, "1", lease)])
    store.close()
    assert store.read(A) is not None
    assert store.keep_alive(lease) == 60
