"""A source from what a configuration names (`[proxy] source` of agent.toml).

/etc/podwire/services              a folder of YAML and JSON files
directory:/var/lib/podwire/objects a store that is a folder (cluster_store), shared by several nodes
etcd://10.0.0.1:2379               a store in etcd; etcds:// with TLS
kubernetes                         an API server: `kubernetes_source`, given how it is reached
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from cluster_store.opening import StoreOptions, open_store, prefix_of
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


def open_source(
    url: str, prefix: str = PREFIX, options: StoreOptions | None = None, stages: Sequence[Stage] = ()
) -> Source:
    """Return the source that a folder's path or a store's URL names; it is not asked anything yet.

    Raises:
        StoreRefused: the URL is none of these, or a file that `options` name cannot be used.
    """
    if url.startswith("/"):
        return directory_source(Path(url), stages)
    return store_source(open_store(url, options), f"{prefix_of(url)}{prefix}", stages)
