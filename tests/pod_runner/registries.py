"""The stores that the cluster's tests run on: a folder, and one etcd for a whole session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster_store.opening import open_store
from cluster_store.store import Delete, Store
from tests.cluster_store.etcd_server import EtcdServer, missing

KINDS = ("directory", "etcd")
OpenStore = Callable[[], Store]


@pytest.fixture(scope="session")
def etcd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give an etcd on loopback of this process's own network namespace."""
    if reason := missing():
        pytest.skip(reason)
    os.system("ip link set lo up")
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(params=KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty store, of each kind."""
    if request.param == "directory":
        return f"directory:{tmp_path / 'registry'}"
    url = str(request.getfixturevalue("etcd_url"))
    store = open_store(url)
    keys = [item.key for item in store.list("/").items]
    for start in range(0, len(keys), 100):  # etcd takes 128 operations in a transaction
        store.commit((), [Delete(key) for key in keys[start : start + 100]])
    store.close()
    return url


@pytest.fixture
def opened(store_url: str) -> Iterator[OpenStore]:
    """Give a function that opens the store once more; all are closed after the test."""
    stores: list[Store] = []

    def open_one() -> Store:
        stores.append(open_store(store_url))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()
