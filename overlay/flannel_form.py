"""flannel's form of a lease in etcd: its key, its value. Pure.

What flannel does not know rides along where it does not look: one more member of the value, `Podwire`. What a
flanneld wrote is read as it is; what we write a flanneld reads as one of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from overlay.errors import BadRecord
from overlay.record import NodeRecord
from overlay.record_members import flannel_members, is_flannels, load_object, make_record, our_members
from overlay.subnet import Subnet, parse_subnet

OURS = "Podwire"  # the member of a lease's value that is ours


def lease_key(subnets: Sequence[Subnet]) -> str:
    """Return the name of a lease: "10.244.17.0-24", with "&fd00::-64" behind it in dual stack."""
    return "&".join(f"{one.address}-{one.length}" for one in sorted(subnets))


def parse_lease_key(key: str) -> tuple[Subnet, ...]:
    """Read the name of a lease. Raises BadRecord."""
    try:
        subnets = tuple(parse_subnet(part.replace("-", "/")) for part in key.split("&"))
    except ValueError as error:
        raise BadRecord(f"key {key[:80]!a}: {error}") from error
    if len(subnets) > 2 or len({one.version for one in subnets}) != len(subnets):
        raise BadRecord(f"key {key[:80]!a}: expected one subnet of each family")
    if lease_key(subnets) != key:  # two spellings would be two leases of one subnet
        raise BadRecord(f"key {key[:80]!a}: the subnets are written {lease_key(subnets)}")
    return subnets


def dump_lease(record: NodeRecord) -> str:
    """Return the value under a lease's key, as flannel writes it, and our own member last."""
    body = flannel_members(record)
    if not is_flannels(record):
        body |= {OURS: our_members(record)}
    return json.dumps(body, separators=(",", ":"))


def load_lease(key: str, value: str, *, created: int = 0) -> NodeRecord:
    """Read a lease. Raises BadRecord."""
    return load_value(key, parse_lease_key(key), value, created=created)


def load_value(key: str, subnets: tuple[Subnet, ...], value: str, *, created: int = 0) -> NodeRecord:
    """Read a value whose subnets are known, and may be more than one of a family. Raises BadRecord."""
    body = load_object(value)
    return make_record(
        key, subnets, public=(body.get("PublicIP"), body.get("PublicIPv6")), backend=body.get("BackendType"),
        data=(body.get("BackendData"), body.get("BackendV6Data")), ours=body.get(OURS), created=created,
    )  # fmt: skip
