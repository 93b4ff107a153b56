"""A node's record as JSON members: flannel's, and ours beside them. Pure.

`flannel_form.py` puts them into a lease's value in etcd, `node_annotations.py` on a Kubernetes Node. Whatever
is read here was written by somebody: it is taken only if it can be a node's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from overlay.errors import BadRecord
from overlay.mtu import LEAST
from overlay.record import WIRE_VERSION, Mode, NodeRecord, Offer
from overlay.subnet import Subnet, format_address, parse_address

SIZE_LIMIT = 16_384  # bytes of one record; ours have 500
HOST_GW = "host-gw"
OFFER_LIMIT = 8  # ways into one node; it has two while it changes from one to the other
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def flannel_members(record: NodeRecord) -> dict[str, Any]:
    body: dict[str, Any] = {"PublicIP": record.public4 or "0.0.0.0", "PublicIPv6": record.public6 or None}
    classic = record.offer(Mode.VXLAN)
    if classic is None:
        first = record.offers[0].mode if record.offers else Mode.VXLAN
        return body | {"BackendType": HOST_GW if first is Mode.DIRECT else first.value}
    body["BackendType"] = Mode.VXLAN.value
    if classic.mac4:
        body["BackendData"] = {"VNI": classic.vni, "VtepMAC": classic.mac4}
    if classic.mac6:
        body["BackendV6Data"] = {"VNI": classic.vni, "VtepMAC": classic.mac6}
    return body


def is_flannels(record: NodeRecord) -> bool:
    """Tell whether a flanneld wrote a record: then nothing of ours is in it."""
    return not (record.wire_version or record.node or record.boot)


def our_members(record: NodeRecord) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Version": record.wire_version or WIRE_VERSION,
        "Node": record.node,
        "Boot": record.boot,
    }
    if record.mtu:
        body["MTU"] = record.mtu
    if record.zone:
        body["Zone"] = record.zone
    body["Offers"] = [_dump_offer(one) for one in record.offers]
    return body | ({"Of": record.block_of} if record.block_of else {})


def _dump_offer(offer: Offer) -> dict[str, Any]:
    body: dict[str, Any] = {"Mode": offer.mode.value}
    return body | ({} if offer.mode is Mode.DIRECT else {"Port": offer.port, "VNI": offer.vni})


def make_record(
    key: str, subnets: tuple[Subnet, ...], *, public: tuple[Any, Any], backend: Any, data: Sequence[Any],
    ours: Any, created: int,
) -> NodeRecord:  # fmt: skip
    where = f"lease {_shown(key)}"
    public4, public6 = (_public(where, one, version) for one, version in zip(public, (4, 6), strict=True))
    if not (public4 or public6):
        raise BadRecord(f"{where}: has neither PublicIP nor PublicIPv6")
    classic = _classic(where, backend, data)
    members = ours if isinstance(ours, dict) else {}
    offers = _offers(where, members.get("Offers"), classic)
    if not offers:
        offers = (Offer(Mode.DIRECT),) if backend == HOST_GW else (classic,) if classic else ()
    if not offers:
        raise BadRecord(f"{where}: nobody here speaks the backend {_shown(backend)!r}")
    mtu, version = members.get("MTU", 0), members.get("Version", 0)
    return NodeRecord(
        key=key, subnets=subnets, public4=public4, public6=public6, offers=offers,
        node=_word(members.get("Node")), boot=_word(members.get("Boot")), zone=_word(members.get("Zone")),
        mtu=mtu if type(mtu) is int and LEAST[4] <= mtu <= 65535 else 0,
        wire_version=(version if type(version) is int and version > 0 else WIRE_VERSION) if members else 0,
        created=created, block_of=_word(members.get("Of")),
    )  # fmt: skip


def _classic(where: str, backend: Any, data: Sequence[Any]) -> Offer | None:
    """Return flannel's own offer: VXLAN's MACs and VNI."""
    if backend != Mode.VXLAN.value:
        return None
    macs: list[str] = []
    vni: Any = 1
    for part in data:
        if part is None:
            macs.append("")
            continue
        mac = part.get("VtepMAC") if isinstance(part, dict) else None
        vni = part.get("VNI") if isinstance(part, dict) else None
        if not isinstance(mac, str) or not _is_station(mac.lower()):
            raise BadRecord(f"{where}: VtepMAC {_shown(mac)!r} is no address of one station")
        if type(vni) is not int or not 0 < vni < 1 << 24:
            raise BadRecord(f"{where}: VNI {_shown(vni)!r} is no number of 24 bits")
        macs.append(mac.lower())
    if not any(macs):
        raise BadRecord(f"{where}: a VXLAN lease without VtepMAC")
    return Offer(Mode.VXLAN, 0, vni, *macs)


def _is_station(mac: str) -> bool:
    """Tell whether a MAC is one station's: no group's, and not VXLAN's "everybody else"."""
    return bool(_MAC.fullmatch(mac)) and not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def _offers(where: str, listed: Any, classic: Offer | None) -> tuple[Offer, ...]:
    """Read what a node of ours offers; modes that are newer than this reader are skipped."""
    found: list[Offer] = []
    for one in listed if isinstance(listed, list) else ():
        mode = one.get("Mode") if isinstance(one, dict) else None
        if not isinstance(mode, str) or mode not in set(Mode):
            continue
        port, vni = one.get("Port", 0), one.get("VNI", 0)
        if mode == Mode.DIRECT:
            found.append(Offer(Mode.DIRECT))
            continue
        if type(port) is not int or not 0 <= port < 65536 or type(vni) is not int or not 0 < vni < 1 << 24:
            raise BadRecord(f"{where}: an offer of {mode} with port {_shown(port)}, VNI {_shown(vni)}")
        if mode == Mode.VXLAN and classic is None:
            continue
        macs = (classic.mac4, classic.mac6) if mode == Mode.VXLAN and classic else ("", "")
        found.append(Offer(Mode(mode), port, vni, *macs))
    return tuple(dict.fromkeys(found))[:OFFER_LIMIT]


def _public(where: str, value: Any, version: int) -> str:
    """Check an underlay address: one station's, in its shortest form."""
    if value in (None, "", "0.0.0.0", "::"):
        return ""
    try:
        seen, number = parse_address(value)
    except (ValueError, TypeError):
        raise BadRecord(f"{where}: {_shown(value)!r} is no address") from None
    top = number >> 24 if version == 4 else number >> 120
    if (
        seen != version
        or (version == 4 and (top in (0, 127) or top >= 224))
        or (version == 6 and top == 0xFF)
    ):
        raise BadRecord(f"{where}: {value[:60]} is no node's IPv{version} address")
    if version == 6 and number in (0, 1):
        raise BadRecord(f"{where}: {value} is no node's address")
    return format_address(version, number)


def _shown(value: Any) -> str:
    """Return the beginning of anything, for a message."""
    return ascii(str(value)[:40])[1:-1]


def _word(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= 253 and value.isprintable() else ""


def load_object(value: str) -> dict[str, Any]:
    size = len(value.encode(errors="replace"))
    if size > SIZE_LIMIT:
        raise BadRecord(f"{size} bytes are too many for a node's record")
    try:
        body = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"no JSON: {str(error)[:100]}") from error
    if not isinstance(body, dict):
        raise BadRecord(f"expected an object, came {value[:40]!a}")
    return body
