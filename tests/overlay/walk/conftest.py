"""Clusters for the walks, taken down whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster_store.etcd_server import missing
from tests.overlay.cluster import Cluster

pytestmark = pytest.mark.campaign
Make = Callable[..., Cluster]


@pytest.fixture
def make_cluster(host: None, tmp_path: Path) -> Iterator[Make]:
    """Return what makes a cluster; the first argument is the kind of registry."""
    made: list[Cluster] = []

    def make(kind: str = "directory", **options: object) -> Cluster:
        if kind == "etcd" and missing():
            pytest.skip(missing())
        made.append(partial(Cluster, tmp_path)(kind, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for cluster in made:
        cluster.end()
