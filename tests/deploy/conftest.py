"""A small machine with a neighbour, on which things are started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwire.demo.world import World
from tests.clients.harness import need
from tests.deploy.service import OUTSIDE, serve_page


@pytest.fixture
def world() -> Iterator[World]:
    """Give a machine with a cable and a default route, so that there is an uplink, and a web server there."""
    need("runc", "busybox", "openssl", "setpriv")
    with World() as opened:
        opened.add_neighbour("outside", OUTSIDE.rpartition(".")[0])
        opened.run(["ip", "route", "add", "default", "via", OUTSIDE])
        serve_page(opened)
        yield opened
