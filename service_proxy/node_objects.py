"""Node, ServiceCIDR and Namespace: JSON -> values. Pure."""

from __future__ import annotations

from service_proxy.model import Address, Namespace, Node, ServiceCidr
from service_proxy.object_members import Members, WrongMember, cidr_of, packed_address

ZONE_LABEL = "topology.kubernetes.io/zone"
LEAVING_TAINT = "ToBeDeletedByClusterAutoscaler"  # KEP-3836
ADDRESS_TYPES = ("InternalIP", "ExternalIP")  # others are names


def node(item: Members, notes: list[str]) -> Node:
    """Return a Node."""
    metadata, spec = item.below("metadata"), item.below("spec")
    labels = metadata.labels("labels")
    return Node(
        name=metadata.name("name"),
        addresses=_addresses(item.below("status"), notes),
        pod_cidrs=_pod_cidrs(spec),
        zone=labels.get(ZONE_LABEL, ""),
        is_leaving=metadata.has("deletionTimestamp") or _is_leaving(spec),
        labels=labels,
    )


def service_cidr(item: Members, notes: list[str]) -> ServiceCidr:
    """Return a ServiceCIDR (networking.k8s.io/v1)."""
    return ServiceCidr(item.below("metadata").name("name"), cidrs(item.below("spec"), "cidrs"))


def namespace(item: Members, notes: list[str]) -> Namespace:
    """Return a Namespace."""
    return Namespace(item.below("metadata").name("name", is_label=True))


def cidrs(item: Members, key: str) -> tuple[str, ...]:
    """Return a list of ranges; a wrong one refuses all, since without it others would mean something else."""
    found = []
    for index, text in enumerate(item.items(key)):
        cidr = cidr_of(text) if isinstance(text, str) else None
        if cidr is None:
            raise WrongMember(f"{item.place(key)}[{index}]", 'a range as "192.0.2.0/24"', text)
        found.append(cidr)
    return tuple(found)


def _pod_cidrs(spec: Members) -> tuple[str, ...]:
    found = cidrs(spec, "podCIDRs")
    if found or not spec.text("podCIDR"):
        return found
    only = cidr_of(spec.text("podCIDR"))
    if only is None:
        raise spec.wrong("podCIDR", 'a range as "192.0.2.0/24"')
    return (only,)


def _addresses(status: Members, notes: list[str]) -> tuple[Address, ...]:
    found: dict[Address, None] = {}
    for one in status.each("addresses"):
        if one.value("type") in ADDRESS_TYPES:
            packed = packed_address(one.value("address"))
            if packed is None:
                notes.append(f"{one.wrong('address', 'an IP address')}; left out")
            else:
                found[packed] = None
    return tuple(found)


def _is_leaving(spec: Members) -> bool:
    return any(taint.value("key") == LEAVING_TAINT for taint in spec.each("taints"))
