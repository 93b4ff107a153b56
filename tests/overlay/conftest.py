"""The registries under test are those of `tests/cluster_store`: each in every kind."""

from __future__ import annotations

from tests.cluster_store.conftest import registry, store

__all__ = ["registry", "store"]
