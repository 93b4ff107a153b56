"""Pod: JSON -> value, as far as endpoints and names ask. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from service_proxy.model import Address, EndpointPort, Pod, SliceName
from service_proxy.object_members import Members, packed_address
from service_proxy.slice_objects import PROTOCOLS, shared

OVER = ("Succeeded", "Failed")


def pod(item: Members, notes: list[str]) -> Pod:
    """Return a Pod."""
    metadata, spec, status = item.below("metadata"), item.below("spec"), item.below("status")
    return Pod(
        name=SliceName(metadata.name("namespace", "default", is_label=True), metadata.name("name")),
        addresses=_addresses(status, notes),
        node=spec.name_if_any("nodeName"),
        labels=metadata.labels("labels"),
        is_ready=_is_ready(status),
        is_terminating=metadata.has("deletionTimestamp"),
        is_over=status.value("phase") in OVER,
        hostname=spec.name_if_any("hostname", is_label=True),
        subdomain=spec.name_if_any("subdomain", is_label=True),
        ports=shared(tuple(_named_ports(spec))),
    )


def _addresses(status: Members, notes: list[str]) -> tuple[Address, ...]:
    given = [(one.place("ip"), one.value("ip")) for one in status.each("podIPs")]
    if not given and status.has("podIP"):
        given = [(status.place("podIP"), status.value("podIP"))]
    found = []
    for place, text in given:
        packed = packed_address(text)
        if packed is None:
            notes.append(f"{place}: expected an IP address; left out")
        else:
            found.append(packed)
    return tuple(found)


def _is_ready(status: Members) -> bool:
    return any(
        one.value("type") == "Ready" and one.value("status") == "True" for one in status.each("conditions")
    )


def _named_ports(spec: Members) -> Iterator[EndpointPort]:
    """Yield the ports that have names; of init containers only those that go on running (sidecars)."""
    for key in ("initContainers", "containers"):
        for container in spec.each(key):
            if key == "initContainers" and container.value("restartPolicy") != "Always":
                continue
            for port in container.each("ports"):
                if name := port.text("name"):
                    protocol = port.choice("protocol", PROTOCOLS, "tcp")
                    yield EndpointPort(name, protocol, port.number("containerPort", 1, 65535))
