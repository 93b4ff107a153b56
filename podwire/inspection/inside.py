"""The container's links, addresses and routes."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any

from linuxnet.kernel import Kernel
from linuxnet.rtnetlink_answers import Link
from podwire.inspection.things import Thing

RT_TABLE_LOCAL = 255  # linux/rtnetlink.h; what the kernel adds by itself for each address


def container_objects(kernel: Kernel) -> Iterator[Thing]:
    """Yield what is inside the namespace that was entered; nothing, if none was."""
    if not kernel.has_container:
        return
    names = {link.index: link.name for link in kernel.container.links()}
    for link in kernel.container.links():
        detail = f"{link.kind or 'device'} {link.mac} mtu {link.mtu} {link.operstate.lower()}"
        yield Thing("container", "link", link.name, detail)
        yield from _addresses(kernel, link)
    for route in kernel.container.routes():
        if route.get("table") != RT_TABLE_LOCAL:
            yield Thing("container", "route", _destination(route), _way(route, names))


def _addresses(kernel: Kernel, link: Link) -> Iterator[Thing]:
    for one in kernel.container.addresses(link.index):
        yield Thing("container", "address", f"{one['address']}/{one['prefixlen']}", f"on {link.name}")


def _destination(route: Mapping[str, Any]) -> str:
    if "dst" in route:
        return f"{route['dst']}/{route['dst_len']}"
    return "0.0.0.0/0" if route["family"] == socket.AF_INET else "::/0"


def _way(route: Mapping[str, Any], names: dict[int, str]) -> str:
    parts = [
        f"via {route['gateway']}" if route.get("gateway") else "",
        f"dev {names.get(route['oif'], route['oif'])}" if route.get("oif") else "",
        f"metric {route['priority']}" if route.get("priority") else "",
        f"table {route['table']}" if route.get("table", 254) != 254 else "",
    ]
    return " ".join(part for part in parts if part)
