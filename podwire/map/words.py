"""Names and numbers as a person reads them, and nothing that could steer a terminal or break a document.

A link's name may hold any byte but "/" and white space, a file of the cache any text at all. Pure.
"""

from __future__ import annotations

from podwire.map.model import Link, Node, Pod, Service, Tunnel, Way

ELLIPSIS = "…"


def plain(text: str) -> str:
    """Return text with everything unprintable as Python writes it ("\\x1b")."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def cropped(text: str, size: int) -> str:
    """Return text in so many characters, the end left out where it has more."""
    return text if len(text) <= size else text[: max(0, size - 1)] + ELLIPSIS


def counted(number: int, one: str) -> str:
    """Return "1 pod", "2 pods"."""
    return f"{number} {one}{'' if number == 1 else 's'}"


def link_facts(link: Link) -> str:
    """Say what a link is, but for its name."""
    addresses = " ".join(link.addresses)
    owner = f"of {link.owner}" if link.owner else ""
    parts = (link.kind or "device", addresses, f"mtu {link.mtu}", owner, state_of(link))
    return "  ".join(plain(part) for part in parts if part)


def state_of(link: Link) -> str:
    """Return what is wrong with a link, "" for nothing."""
    if not link.is_up:
        return "down"
    return "no carrier" if link.state in ("DOWN", "LOWERLAYERDOWN") else ""


def tunnel_name(tunnel: Tunnel) -> str:
    """Return what nodes agree on: the tunnel's kind and number."""
    return f"{tunnel.mode} {tunnel.vni}" if tunnel.vni else tunnel.mode


def way_facts(way: Way) -> str:
    """Say where a way leads."""
    node = way.node or "a node that is not known"
    return plain(f"{way.subnet} → {node}" + (f" at {way.via}" if way.via else ""))


def pod_facts(pod: Pod) -> str:
    """Say where a pod is found, but for its name."""
    parts = [" ".join(pod.addresses), pod.state if pod.state not in ("", "Running") else ""]
    for one in pod.attachments:
        parts.append(f"{one.network} {one.ifname}" + (f" on {one.host_link}" if one.host_link else ""))
    return "  ".join(plain(part) for part in parts if part)


def service_facts(service: Service) -> str:
    """Say how a service is reached, and how many answer."""
    ready = sum(one.is_ready for one in service.back_ends)
    parts = (
        service.type, " ".join(service.addresses), "; ".join(service.ports),
        f"{ready} of {counted(len(service.back_ends), 'back end')} ready",
    )  # fmt: skip
    return "  ".join(plain(part) for part in parts if part)


def node_facts(node: Node) -> str:
    """Say how a node stands, but for its name."""
    return "  ".join((counted(len(node.pods), "pod"), "" if node.has_agent else "no agent")).strip()
