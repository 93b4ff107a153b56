"""A thousand updates and a hundred deaths under load: no request fails, no connection changes.

So many are PODWIRE_TEST_ROUNDS=10; CI makes a tenth of them.
"""

from __future__ import annotations

import random
import time
from itertools import count

import pytest

from tests.rounds import rounds
from tests.services.load import Load, Standing, under
from tests.services.objects import endpoint_slice, slice_port
from tests.services.places import far_pod, local_pod, node_address
from tests.services.site import Site
from tests.services.sites import DIRECTORY

UPDATES, DEATHS = rounds(100), rounds(10)
pytestmark = [pytest.mark.campaign, pytest.mark.parametrize("site_of_source", [DIRECTORY], indirect=True)]
PORTS = count(10000)


class Roll:
    """A service of three replicas whose versions are servers on ports of their own, as pods' would be."""

    def __init__(self, site: Site, version: int) -> None:
        self.site, self.version, self._number = site, version, 0
        self.replicas = [self._new(), self._new(), self._new()]
        self.web = site.deploy(version, type="NodePort")
        self._tell()

    def _new(self) -> tuple[str, str, int, object]:
        """Start a server: turn by turn on pods of this node and of the other."""
        self._number += 1
        number, port = self._number, next(PORTS)
        is_near = number % 2 == 0
        netns = self.site.places.pods[number % 3] if is_near else self.site.places.far
        address = local_pod(self.version, number % 3) if is_near else far_pod(self.version, number % 3)
        name = f"{'a' if is_near else 'b'}{number}"
        return name, address, port, self.site.servers.open(netns, name, address, port)

    def _tell(self) -> None:
        """Write the slices: one for each replica, since their ports differ; a file each, so one by one."""
        slices = [
            endpoint_slice(
                self.web.name, [self.site.endpoint_at(address)], [slice_port(port)], suffix=f"-{name}"
            )
            for name, address, port, _ in self.replicas
        ]
        old = self.web.slices
        for one in slices:
            if one not in old:
                self.web.set_slice(one)
        gone = [one for one in old if one not in slices]
        self.site.registry.delete(*gone)
        self.web.slices = slices

    def update(self) -> None:
        """Replace the oldest replica: the new one comes in, then the old one goes out and is drained."""
        new, old = self._new(), self.replicas[0]
        self.replicas = [*self.replicas[1:], new]
        self._tell()
        self.site.settles(lambda: self._look(old[0], new[0]))
        self.site.servers.drain(old[3])  # type: ignore[arg-type]

    def _look(self, old: str, new: str) -> str:
        found = self.site.pod(3).who(self.web.ip, 80, count=12)
        return "" if new in found and old not in found else f"{dict(found)}: {new} for {old}"


@pytest.mark.parametrize("version", [4])
def test_a_thousand_rolling_updates(site: Site, version: int) -> None:
    """Not one of the requests fails while replicas are replaced a thousand times."""
    roll = Roll(site, version)
    site.answers(site.pod(3), roll.web.ip, 80, [one[0] for one in roll.replicas])
    loads = [
        Load(site.pod(3), roll.web.ip, 80),
        Load(site.host, roll.web.ip, 80),
        Load(site.outside(version), node_address(version), roll.web.node_port),
    ]
    with under(loads):
        for _ in range(UPDATES):
            roll.update()
    for one in roll.replicas:
        site.servers.close(one[3])  # type: ignore[arg-type]
    assert sum(load.answered.total() for load in loads) > UPDATES


def test_a_hundred_deaths_of_the_proxy(site: Site) -> None:
    """Not one request fails, no running connection changes, while the proxy is killed again and again."""
    rng = random.Random(5)
    four, six = site.deploy(4, "a0", "a1", "b0", type="NodePort"), site.deploy(6, "a0", "a1", "b0")
    site.answers(site.pod(3), four.ip, 80, ["a0", "a1", "b0"])
    site.answers(site.pod(3), six.ip, 80, ["a0", "a1", "b0"])
    loads = [
        Load(site.pod(3), four.ip, 80),
        Load(site.host, six.ip, 80),
        Load(site.outside(4), node_address(4), four.node_port),
    ]
    standing = [
        Standing(site.pod(2), four.ip, 80, 4),
        Standing(site.outside(4), node_address(4), four.node_port, 4),
        Standing(site.pod(2), six.ip, 80, 4),
    ]
    with under(loads):
        for round_ in range(DEATHS):
            site.kill_proxy()
            some = rng.sample(["a0", "a1", "a2", "b0", "b1"], 3)
            four.set_endpoints(*some)
            site.start_proxy()
            if round_ % 4:  # it dies somewhere between its first step and its last
                time.sleep(rng.uniform(0.0, 0.6))
            else:
                site.answers(site.pod(3), four.ip, 80, some)
            for one in standing:
                one.check()
    for one in standing:
        one.close()
    site.restart_proxy()
    site.answers(site.pod(3), four.ip, 80, some)
