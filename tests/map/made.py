"""Maps that nobody had to build: so many nodes, pods and services."""

from __future__ import annotations

from podwire.map.model import Attachment, BackEnd, Link, Map, Node, Pod, Service, Tunnel, Way


def made_map(nodes: int, pods: int, services: int = 3, name: str = "pod", uplinks: int = 1) -> Map:
    """Return a map of equal nodes; service n leads to each node's nth pod."""
    made = tuple(made_node(number, nodes, pods, name, uplinks) for number in range(1, nodes + 1))
    return Map(title="made", nodes=made, services=tuple(_service(one, nodes) for one in range(services)))


def made_node(number: int, nodes: int, pods: int, name: str, uplinks: int) -> Node:
    """Return one node with its uplinks, a tunnel, a bridge and pods."""
    links = [_link(f"eth{one}", "veth", f"198.{18 + one}.0.{number}/16") for one in range(uplinks)] + [
        _link("flannel.1", "vxlan", f"10.244.{number}.0/32"),
        _link("cni0", "bridge", f"10.244.{number}.1/24"),
    ]
    links += [_link(f"veth{one}", "veth", "", "cni0") for one in range(pods)]
    return Node(
        name=f"node{number}", has_agent=True, links=tuple(links),
        tunnels=(Tunnel(link="flannel.1", mode="vxlan", vni=1, port=8472),),
        ways=tuple(
            Way(subnet=f"10.244.{one}.0/24", link="flannel.1", via=f"198.18.0.{one}", node=f"node{one}")
            for one in range(1, nodes + 1) if one != number
        ),
        pods=tuple(made_pod(number, one, name) for one in range(pods)),
    )  # fmt: skip


def made_pod(node: int, number: int, name: str) -> Pod:
    """Return a pod."""
    made = Attachment(
        network="lab", ifname="eth0", addresses=(f"10.244.{node}.{number + 2}",), host_link=f"veth{number}"
    )
    return Pod(name=f"{name}{number}", container_id=f"{node}-{number}", attachments=(made,))


def _service(number: int, nodes: int) -> Service:
    ends = tuple(BackEnd(address=f"10.244.{one}.{number + 2}") for one in range(1, nodes + 1))
    return Service(
        namespace="default", name=f"service{number}", type="ClusterIP", addresses=(f"10.96.0.{number + 1}",),
        ports=("80/TCP",), back_ends=ends,
    )  # fmt: skip


def _link(name: str, kind: str, address: str, master: str = "") -> Link:
    return Link(
        name=name, kind=kind, mac="02:00:00:00:00:01", mtu=1500, is_up=True, state="UP", master=master,
        addresses=(address,) if address else (),
    )  # fmt: skip
