"""One suite for every registry: `registry` and `store` come in each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_store.store import Store
from tests.cluster_store.registries import KINDS, Registry


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(ability): skip where the registry cannot do this")


@pytest.fixture(params=KINDS)
def registry(request: pytest.FixtureRequest, host: None, tmp_path: Path) -> Iterator[Registry]:
    """Give a running registry with nothing in it."""
    make, missing = KINDS[request.param]
    if reason := missing():
        pytest.skip(reason)
    made = make(tmp_path)
    for mark in request.node.iter_markers("needs"):
        if mark.args[0] not in made.abilities:
            pytest.skip(f"{request.param} has no {mark.args[0]}")
    made.start()
    yield made
    made.end()


@pytest.fixture
def store(registry: Registry) -> Iterator[Store]:
    """Give a store of it."""
    opened = registry.open()
    yield opened
    opened.close()
