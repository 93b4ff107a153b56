"""Nodes as flannel and as we leave them, and who reads and writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cluster_store.kubernetes import KubernetesClient
from cluster_store.kubernetes_access import Access, FixedToken
from overlay.net_conf_file import NetConfFile
from overlay.node_annotations import ANNOTATION_PREFIX
from overlay.node_following import NodeObjectsFollower
from overlay.node_objects import KubernetesRegistry
from overlay.record import Mode, NodeRecord, Offer
from overlay.registry import Changed, Nodes, Refused
from tests.kube_api.server import ApiServer
from tests.overlay.flannel.recordings import FOLDER

GOLDEN = FOLDER / "e_kube_v4"
MAC4, MAC6 = "3e:62:84:e3:03:f7", "da:4a:18:b1:1f:bb"
V4 = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}'
DUAL = '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}'
NOON = 1_800_000_000.0

needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the recordings of flanneld are not here")


def client_of(api: ApiServer) -> KubernetesClient:
    return KubernetesClient(Access(api.url, "127.0.0.1", api.http.server_port, FixedToken()), page=3)


def registry_of(api: ApiServer, net_conf: Path, node: str = "node-1") -> KubernetesRegistry:
    return KubernetesRegistry(client_of(api), node, net_conf, now=lambda: NOON)


def follower_of(api: ApiServer, net_conf: Path) -> NodeObjectsFollower:
    return NodeObjectsFollower(client_of(api), NetConfFile(net_conf), ANNOTATION_PREFIX, hold=0)


def make_node(api: ApiServer, name: str, *cidrs: str, **annotations: str) -> None:
    """Make a Node with subnets; without annotations it has no such member at all."""
    spec: dict[str, Any] = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)} if cidrs else {}
    api.objects.create({"metadata": {"name": name}, "spec": spec})
    if annotations:
        api.objects.annotate(name, **annotations)


def make_flannels(api: ApiServer, name: str, *cidrs: str, public: str = "192.0.2.7", mac: str = MAC4) -> None:
    """Make a Node as a flanneld leaves it."""
    make_node(
        api, name, *cidrs, backend_type="vxlan", kube_subnet_manager="true", public_ip=public,
        backend_data=json.dumps({"VNI": 1, "VtepMAC": mac}),
    )  # fmt: skip


def wanted(public4: str = "192.0.2.1", public6: str = "", mac: str = MAC4) -> NodeRecord:
    offer = Offer(Mode.VXLAN, 8472, 1, mac, MAC6 if public6 else "")
    return NodeRecord("", (), public4, public6, (offer,), boot="b1", mtu=1500)


def annotations_of(api: ApiServer, name: str) -> dict[str, str]:
    return dict(api.objects.nodes[name]["metadata"].get("annotations", {}))


def flannels_of(annotations: dict[str, str]) -> dict[str, str]:
    return {
        key.removeprefix(ANNOTATION_PREFIX): value
        for key, value in annotations.items()
        if key.startswith(ANNOTATION_PREFIX)
    }


def snapshot(follower: NodeObjectsFollower) -> dict[str, NodeRecord]:
    got = follower.next(10)
    assert isinstance(got, Nodes), got
    return {one.key: one for one in got.records}


def change(follower: NodeObjectsFollower) -> dict[str, NodeRecord | Refused | None]:
    got = follower.next(10)
    assert isinstance(got, Changed), got
    return got.records
