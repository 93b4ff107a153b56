"""Fixtures of the image tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.images.store import ImageStore
from tests.pod_runner.images.registry import Registry, served


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    """Return a store that is empty."""
    return ImageStore(tmp_path / "store")


@pytest.fixture
def registry(host: None) -> Iterator[Registry]:
    """Serve a registry that is empty."""
    one = Registry()
    with served(one):
        yield one
