"""Containers and plugins for the plugins' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.calls import Container, Plugins, run


@pytest.fixture
def container(host: None) -> Iterator[Callable[[str], Container]]:
    """Make named namespaces; they end with the test."""
    made: list[str] = []

    def make(name: str, ifname: str = "eth0") -> Container:
        if name not in made:
            run(["ip", "netns", "add", name])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
            made.append(name)
        return Container(name, ifname)

    yield make
    for name in made:
        run(["sh", "-c", f"ip netns del {name} 2>/dev/null || true"])


@pytest.fixture
def plugins() -> Plugins:
    """Return plugins of ours, with the reference's IPAM."""
    return Plugins()
