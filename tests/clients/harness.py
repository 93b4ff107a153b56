"""What every client test starts from: plugins in place, an outside, and the promise that nothing stays."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from podwire.demo.conflists import Json
from podwire.demo.dumps import leftovers, take_dump
from podwire.demo.plugin_folder import OUR_FOLDER, choose, install_ours
from podwire.demo.world import World

OUTSIDE = "outside"  # a namespace one cable away from the world
OUTSIDE_NETWORK = "192.0.2"  # RFC 5737, for documentation
PLUGIN_TYPES = (
    "bridge",
    "ptp",
    "loopback",
    "host-local",
    "static",
    "portmap",
    "firewall",
    "tuning",
    "bandwidth",
)
BRIDGE = "cni0"
SUBNET = "10.99.0.0/24"
CONF_FOLDER = "/etc/cni/net.d"
# Serves "hello"; httpd returns once it listens.
WEB = "mkdir /run/www; echo hello > /run/www/index.html; busybox httpd -p 80 -h /run/www"


def need(*tools: str) -> None:
    """Skip the test where a tool is missing, and say which."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def furnish(world: World) -> None:
    """Install the plugins under test into /opt/cni/bin, and give the world an outside."""
    chosen = os.environ.get("PODWIRE_CLIENT_PLUGINS")
    if chosen is None:
        install_ours(world)
    choose(world, dict.fromkeys(PLUGIN_TYPES, chosen or OUR_FOLDER))
    world.add_neighbour(OUTSIDE, OUTSIDE_NETWORK)


def write_network(world: World, conflist: Json, order: str = "10") -> None:
    """Write a configuration list where runtimes look for it."""
    target = world.path(f"{CONF_FOLDER}/{order}-{conflist['name']}.conflist")
    target.write_text(json.dumps(conflist, indent=2))


def fetch(world: World, url: str, namespace: str = OUTSIDE) -> str:
    """Fetch a page from a namespace of the world; give up after 10 seconds."""
    argv = ["ip", "netns", "exec", namespace, "timeout", "10", "busybox", "wget", "-q", "-O", "-", url]
    return world.run(argv)


@contextmanager
def nothing_left(world: World, shared: Sequence[str] = (BRIDGE,)) -> Iterator[list[str]]:
    """Hold that what happens inside leaves nothing in the world.

    Yields the words to look for in rules and elements: append container ids and addresses to it.
    """
    before = take_dump(world.run)
    words: list[str] = []
    yield words
    left = leftovers(before, take_dump(world.run), shared=shared, words=words)
    assert not left, "left behind:\n" + "\n".join(left)


def folder_of_executables() -> Path:
    """Return where built tools are kept between runs (XDG base directories)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podwire"
    cache.mkdir(parents=True, exist_ok=True)
    return cache
