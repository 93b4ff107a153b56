"""Stores for whatever needs one."""

from __future__ import annotations

from tests.pod_runner.registries import etcd_url, opened, store_url

__all__ = ["etcd_url", "opened", "store_url"]
