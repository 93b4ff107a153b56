"""Sources that are put together of feeds and stages: a folder's, a store's. See service_proxy.opening."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from cluster_store.store import Store
from service_proxy.catalogue import Kind
from service_proxy.sources.directory import DirectoryFeed
from service_proxy.sources.pod_slices import PodSlices
from service_proxy.sources.source import Source, Stage
from service_proxy.sources.store import StoreFeed

PREFIX = "/podwire"
ALL_KINDS = frozenset(Kind)


def directory_source(root: Path, stages: Sequence[Stage] = ()) -> Source:
    """Return the source of a folder of files; `stages` come before endpoints are found (allocation)."""
    feed = DirectoryFeed(root)
    return Source(feed.name, ALL_KINDS, [feed], [*stages, PodSlices()])


def store_source(
    store: Store, prefix: str = PREFIX, stages: Sequence[Stage] = (), random: Random | None = None
) -> Source:
    """Return the source of a store; who opened the store closes it."""
    feeds = [StoreFeed(store, kind, prefix) for kind in Kind]
    return Source(f"{store.name}, {prefix}", ALL_KINDS, feeds, [*stages, PodSlices()], random)
