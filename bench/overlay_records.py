"""Made-up nodes: their records, and the same leases in etcd as flannel writes them.

Each has a /24 of its own in 10.0.0.0/8, an underlay address of its own in 172.16.0.0/12, a MAC of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cluster_store.store import Put, Store
from overlay.flannel_form import lease_key
from overlay.lease_keys import Keys
from overlay.record import WIRE_VERSION, Mode, NodeRecord, Offer
from overlay.subnet import Subnet, format_address

NETWORK = "10.0.0.0/8"
FIRST_SUBNET, FIRST_PUBLIC = 10 << 24 | 1 << 16, 172 << 24 | 16 << 16 | 1
PUTS = 100  # in one transaction; etcd takes 128 (--max-txn-ops)
TTL = 86_400  # seconds; flannel's


def net_conf(mode: Mode) -> str:
    """Return the network's configuration."""
    return json.dumps({"Network": NETWORK, "Backend": {"Type": mode.value}})


def subnet(number: int) -> Subnet:
    """Return the subnet of a made-up node."""
    return Subnet(4, FIRST_SUBNET + (number << 8), 24)


def public(number: int) -> str:
    """Return a made-up underlay address."""
    return format_address(4, FIRST_PUBLIC + number)


def mac(number: int) -> str:
    """Return a made-up VTEP's MAC."""
    return (b"\x0e\0" + number.to_bytes(4, "big")).hex(":")


def records(number: int, mode: Mode) -> tuple[NodeRecord, ...]:
    """Return the records of so many nodes: flannel's in its own mode, ours in the others."""
    return tuple(_record(i, mode) for i in range(number))


def _record(number: int, mode: Mode) -> NodeRecord:
    mine = (subnet(number),)
    classic = Offer(Mode.VXLAN, 0, 1, mac(number))
    record = NodeRecord(lease_key(mine), mine, public(number), offers=(classic,), created=number + 2)
    if mode is Mode.VXLAN:
        return record
    name = f"node-{number:05}"
    return replace(record, offers=(Offer(mode, 4790, 1),), node=name, wire_version=WIRE_VERSION, mtu=1500)


def flannel_lease(number: int, keys: Keys, lease: int = 0) -> Put:
    """Return the key that a flanneld writes for a made-up node."""
    value = {
        "PublicIP": public(number),
        "PublicIPv6": None,
        "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": mac(number)},
    }
    return Put(keys.lease(lease_key((subnet(number),))), json.dumps(value, separators=(",", ":")), lease)


def fill(store: Store, number: int, keys: Keys) -> None:
    """Write the configuration, and so many leases."""
    store.commit([], [Put(keys.config, net_conf(Mode.VXLAN))])
    for part in _parts(range(number)):
        lease = store.grant(TTL)
        store.commit([], [flannel_lease(one, keys, lease) for one in part])


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    yield from (numbers[i : i + PUTS] for i in range(0, len(numbers), PUTS))
