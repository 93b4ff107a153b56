"""The values of a map. What crosses from a node of a lab to who draws crosses as their JSON.

Addresses of links are in CIDR form, those of pods and services plain. Names are as the kernel has them: who
prints them goes through `words.plain`.
"""

from __future__ import annotations

from cni_spec.config import SpecModel


class Link(SpecModel):
    """A link of a node. `mtu` in bytes; `state` is the kernel's operstate; `owner` an attachment's mark."""

    name: str
    kind: str
    mac: str
    mtu: int
    is_up: bool
    state: str
    master: str = ""
    addresses: tuple[str, ...] = ()
    owner: str = ""


class Tunnel(SpecModel):
    """A device that leads to many nodes. `vni` 0: it comes with each packet (external mode)."""

    link: str
    mode: str  # "vxlan" or "vxlan-gpe"
    vni: int
    port: int  # UDP


class Way(SpecModel):
    """How packets for another node's subnet leave: by which link, to which address of the underlay.

    `node` is whose that is, "" where nobody knows.
    """

    subnet: str
    link: str
    via: str
    node: str = ""


class Attachment(SpecModel):
    """An interface of a pod; `host_link` is its end on the node, "" where none is seen."""

    network: str
    ifname: str
    addresses: tuple[str, ...] = ()
    host_link: str = ""


class Pod(SpecModel):
    """A pod. `netns` "" where it is not known; `state` what its runner says, "" without one of ours."""

    name: str
    container_id: str
    netns: str = ""
    state: str = ""
    attachments: tuple[Attachment, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all its interfaces."""
        return tuple(address for one in self.attachments for address in one.addresses)


class Node(SpecModel):
    """A node: one network namespace with all that stands in it."""

    name: str
    has_agent: bool = False
    links: tuple[Link, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    ways: tuple[Way, ...] = ()
    pods: tuple[Pod, ...] = ()
    remarks: tuple[str, ...] = ()

    def link(self, name: str) -> Link | None:
        """Return the link of that name."""
        return next((one for one in self.links if one.name == name), None)


class BackEnd(SpecModel):
    """Whom a service leads to."""

    address: str
    pod: str = ""
    node: str = ""
    is_ready: bool = True


class Service(SpecModel):
    """A service; `ports` as words ("80/TCP to 8080")."""

    namespace: str
    name: str
    type: str
    addresses: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    back_ends: tuple[BackEnd, ...] = ()

    @property
    def title(self) -> str:
        """Return its name, as people write it."""
        return f"{self.namespace}/{self.name}"


class Map(SpecModel):
    """All of it. `more_services` were not asked for: there are too many to be drawn."""

    title: str
    nodes: tuple[Node, ...]
    services: tuple[Service, ...] = ()
    more_services: int = 0
    remarks: tuple[str, ...] = ()
