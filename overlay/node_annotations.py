"""A node's record on its Kubernetes Node: flannel's annotations, and one of ours. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from overlay.errors import BadRecord
from overlay.record import NodeRecord
from overlay.record_members import flannel_members, is_flannels, load_object, make_record, our_members
from overlay.subnet import parse_subnet

ANNOTATION_PREFIX = "flannel.alpha.coreos.com/"
OUR_ANNOTATION = "podwire.io/overlay"
_DATA_ANNOTATIONS = ("backend-data", "backend-v6-data")
_NO_DATA = (None, "", "null")  # the last is what flannel writes for host-gw, and for IPv6 alone


def dump_annotations(record: NodeRecord, prefix: str = ANNOTATION_PREFIX) -> dict[str, str]:
    """Return the annotations of a Node, as flannel writes them, and one of ours.

    Ours repeats the subnets, so that who follows the Nodes need not read more than their metadata.
    """
    body = flannel_members(record)
    found = {
        "backend-data": json.dumps(body.get("BackendData"), separators=(",", ":")),
        "backend-type": str(body["BackendType"]),
        "kube-subnet-manager": "true",
    }
    if record.public4:
        found["public-ip"] = record.public4
    if record.public6:
        found["public-ipv6"] = record.public6
    if "BackendV6Data" in body:
        found["backend-v6-data"] = json.dumps(body["BackendV6Data"], separators=(",", ":"))
    named = {f"{prefix}{name}": value for name, value in sorted(found.items())}
    if is_flannels(record):
        return named
    ours = our_members(record) | {"Subnets": [str(one) for one in record.subnets]}
    return named | {OUR_ANNOTATION: json.dumps(ours, separators=(",", ":"))}


def load_annotations(
    name: str,
    annotations: Mapping[str, str],
    pod_cidrs: Sequence[str] = (),
    *,
    prefix: str = ANNOTATION_PREFIX,
    created: int = 0,
) -> NodeRecord | None:
    """Read a Node; None if no overlay has written on it (yet). Raises BadRecord.

    `pod_cidrs` are those of its specification; our annotation repeats them for who did not read that.
    """
    said = {key.removeprefix(prefix): value for key, value in annotations.items() if key.startswith(prefix)}
    if said.get("kube-subnet-manager") != "true" or "backend-type" not in said:
        return None
    ours = load_object(annotations[OUR_ANNOTATION]) if OUR_ANNOTATION in annotations else None
    listed = pod_cidrs or (ours or {}).get("Subnets") or ()
    if not isinstance(listed, (list, tuple)) or not all(isinstance(one, str) for one in listed):
        raise BadRecord(f"Node {name}: Subnets is no list of networks")
    try:
        subnets = tuple(parse_subnet(one) for one in listed)
    except ValueError as error:
        raise BadRecord(f"Node {name}: {error}") from error
    if not subnets:
        return None
    data = tuple(
        load_object(text) if (text := said.get(key)) not in _NO_DATA else None for key in _DATA_ANNOTATIONS
    )
    public = (
        said.get("public-ip-overwrite") or said.get("public-ip"),
        (said.get("public-ipv6-overwrite") or said.get("public-ipv6")),
    )
    return make_record(
        name, subnets, public=public, backend=said["backend-type"], data=data, ours=ours, created=created
    )
