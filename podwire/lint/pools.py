"""Pools that overlap, gateways and limits that are not inside their subnet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netaddr import IPAddress, IPNetwork

from cni_spec.addresses import parse_address, parse_cidr
from cni_spec.positions import join_path
from podwire.lint.findings import Findings, Placed


@dataclass(frozen=True)
class Pool:
    """One range of a host-local pool, and where it was configured. `path` is inside the plugin."""

    network: str
    placed: Placed
    path: str
    subnet: IPNetwork
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.subnet} of network {self.network}"

    def overlaps(self, other: Pool) -> bool:
        """Tell whether an address is in both."""
        is_same_family = self.subnet.version == other.subnet.version
        return is_same_family and self.first <= other.last and other.first <= self.last


def find_pools(network: str, chain: Sequence[Placed]) -> list[Pool]:
    """Return the pools of a list that can be read; what cannot is another rule's finding."""
    return [
        pool
        for placed in chain
        for path, body in _ranges(placed)
        for pool in _read(network, placed, path, body)
    ]


def check_inside(pool: Pool) -> Findings:
    """Find addresses of a range that are not in its subnet."""
    body = dict(_ranges(pool.placed))[pool.path]
    for key in ("gateway", "rangeStart", "rangeEnd"):
        address = _address(body.get(key))
        if address is not None and address not in pool.subnet:
            path = join_path(pool.path, key)
            yield pool.placed.error(path, f"{key} {address} is outside the subnet {pool.subnet}")


def check_overlaps(own: Sequence[Pool], others: Sequence[Pool]) -> Findings:
    """Find pools that would give one address twice: inside a list (an error), or in two (a warning)."""
    for number, pool in enumerate(own):
        path = join_path(pool.path, "subnet")
        for other in own[:number]:
            if pool.overlaps(other):
                yield pool.placed.error(path, f"{pool.subnet} overlaps {other.subnet} of the same network")
        for other in others:
            if pool.overlaps(other):
                file = other.placed.document.file
                yield pool.placed.warning(path, f"{pool.subnet} overlaps {other}, configured in {file}")


def _ranges(placed: Placed) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield every range of an IPAM section with its path: the flat form and the lists of lists."""
    ipam = placed.look("ipam")
    if not isinstance(ipam, dict) or placed.look("ipam", "type") != "host-local":
        return
    if "subnet" in ipam:
        yield "ipam", ipam
    sets = ipam.get("ranges")
    for i, ranges in enumerate(sets if isinstance(sets, list) else ()):
        for j, body in enumerate(ranges if isinstance(ranges, list) else ()):
            if isinstance(body, dict):
                yield f"ipam.ranges[{i}][{j}]", body


def _read(network: str, placed: Placed, path: str, body: dict[str, object]) -> Iterator[Pool]:
    try:
        subnet = parse_cidr(body.get("subnet"))
    except ValueError:  # the model's finding
        return
    first = _address(body.get("rangeStart")) or IPAddress(subnet.first, subnet.version)
    last = _address(body.get("rangeEnd")) or IPAddress(subnet.last, subnet.version)
    yield Pool(network, placed, path, subnet, int(first), int(last))


def _address(value: object) -> IPAddress | None:
    try:
        return parse_address(value)
    except ValueError:  # absent, or the model's finding
        return None
