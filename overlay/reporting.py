"""What a node's overlay says of itself when asked: status, peers, what a probe found. As JSON values."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from cni_spec.json_input import JsonObject
from overlay.heartbeats import Peer, Target
from overlay.node import OverlayNode
from overlay.place import Place
from overlay.record import NodeRecord
from overlay.ways import way_to

ANSWER_WITHIN = 2.0  # seconds; a probe's whole time


def status(node: OverlayNode) -> JsonObject:
    """Return how this node stands: lease, tunnels, peers, conditions."""
    with node.lock:
        if node.tenancy.standing is None:
            return {"node": node.settings.node_name, "ready": False, "conditions": node.conditions.as_json()}
        place, own, peers = node.tenancy.standing.place, node.tenancy.own, node.peers
        asked = peers.heartbeats.peers.values()
        return {
            "node": place.node,
            "ready": node.is_ready,
            "leased": node.tenancy.is_leased,
            "lease": place.key,
            "subnets": [str(one) for one in place.subnets],
            "networks": [str(one) for one in place.networks],
            "public": [one.address for one in place.uplinks.values()],
            "uplinks": [one.name for one in place.uplinks.values()],
            "modes": [one.mode.value for one in own.offers] if own else [],
            "tunnels": [
                _tunnel(place, name) for name in sorted({one.name for one in place.tunnels.values()})
            ],
            "mtu": node.tenancy.standing.mtu,
            "peers": {
                "known": len(peers.others()) + len(peers.admission.refused),
                "desired": len(peers.others()),
                "programmed": peers.programmer.peers - len(peers.programmer.troubles),
                "refused": len(peers.admission.refused),
                "suspect": sum(not one.is_live for one in peers.others()),
                "silent": len({key for (key, _), one in peers.heartbeats.peers.items() if one.is_silent}),
                "asked": sum(one.asked for one in asked),
                "answered": sum(one.answered for one in asked),
            },
            "conditions": node.conditions.as_json(),
        }


def peers(node: OverlayNode) -> list[JsonObject]:
    """Return the other nodes, one entry a lease, sorted by name."""
    with node.lock:
        if node.tenancy.standing is None:
            return []
        found = [_peer(node, record) for record in node.peers.others()]
        found += [
            _facts(record) | {"state": "refused", "message": reason}
            for record, reason in node.peers.admission.refused.values()
        ]
    return sorted(found, key=lambda one: (str(one["node"]), str(one["lease"])))


def probe(node: OverlayNode, name: str) -> list[JsonObject]:
    """Ask a node, by its name, lease or address, now; return what came of it, one entry a family."""
    with node.changed:
        keys = {one.key for one in node.peers.others() if name in _names_of(one)}
        before = {target: one.answered for target, one in _asked(node, keys)}
        node.peers.heartbeats.ask_now(keys, time.monotonic())
        node.wake()
        node.changed.wait_for(lambda: _is_answered(node, keys, before), ANSWER_WITHIN)
        return [_probed(target, one, before.get(target, 0)) for target, one in _asked(node, keys)]


def _is_answered(node: OverlayNode, keys: set[str], before: Mapping[Target, int]) -> bool:
    now = list(_asked(node, keys))
    return all(one.answered > before.get(target, 0) and not one.search.is_searching for target, one in now)


def _probed(target: Target, peer: Peer, before: int) -> JsonObject:
    return {
        "lease": target[0], "family": target[1], "address": peer.address, "answered": peer.answered > before,
        "rtt": peer.rtt, "mtu": peer.search.mtu or peer.search.full,
    }  # fmt: skip


def _names_of(record: NodeRecord) -> tuple[str, ...]:
    return record.node, record.key, record.public4, record.public6


def _names(place: Place) -> list[str]:
    return sorted({one.name for one in place.tunnels.values()})


def _asked(node: OverlayNode, keys: set[str]) -> Iterator[tuple[Target, Peer]]:
    yield from ((target, one) for target, one in node.peers.heartbeats.peers.items() if target[0] in keys)


def _peer(node: OverlayNode, record: NodeRecord) -> JsonObject:
    trouble = node.peers.programmer.troubles.get(record.key)
    version = record.subnets[0].version
    way = way_to(node.peers.place, record, version, node.peers.path(record.key, version))
    beat = node.peers.heartbeats.peers.get((record.key, version))
    checks = (
        (way is None, "unreachable"), (trouble is not None, "failing"),
        (beat is not None and beat.is_silent, "silent"), (not record.is_live, "suspect"),
    )  # fmt: skip
    state = next((name for is_so, name in checks if is_so), "ready")
    body = _facts(record) | {"state": state, "message": trouble.message if trouble else ""}
    if way is not None:
        body |= {"mode": way.mode.value, "outer": way.outer, "mtu": way.mtu}
    if beat is not None:
        body |= {"rtt": beat.rtt, "asked": beat.asked, "answered": beat.answered}
    return body


def _facts(record: NodeRecord) -> JsonObject:
    return {
        "node": record.node,
        "lease": record.key,
        "subnets": [str(one) for one in record.subnets],
        "public": [one for one in (record.public4, record.public6) if one],
        "offers": [one.mode.value for one in record.offers],
        "zone": record.zone,
    }


def _tunnel(place: Place, name: str) -> JsonObject:
    one = next(tunnel for tunnel in place.tunnels.values() if tunnel.name == name)
    return {"name": one.name, "mode": one.mode.value, "port": one.port, "vni": one.vni, "mtu": one.mtu}
