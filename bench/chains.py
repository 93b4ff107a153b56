"""The chains that are measured, as configurations that ours and the reference both take."""

from __future__ import annotations

from bench.contenders import Json

FOUR = {"type": "host-local", "subnet": "10.50.0.0/16"}
BOTH = {"type": "host-local", "ranges": [[{"subnet": "10.51.0.0/16"}], [{"subnet": "fd00:51::/64"}]]}
FIRST_PORT = 10_000


def chain(name: str, number: int = 0) -> list[Json]:
    """Return a chain for the pod of a number, which decides its host port."""
    ports = [{"hostPort": FIRST_PORT + number, "containerPort": 80, "protocol": "tcp"}]
    portmap = {"type": "portmap", "runtimeConfig": {"portMappings": ports}}
    bodies: dict[str, list[Json]] = {
        "plain": [_bridge(FOUR)],
        "ipMasq": [_bridge(FOUR, ipMasq=True)],
        "ipMasq, portmap": [_bridge(FOUR, ipMasq=True), portmap],
        "dual stack, ipMasq": [_bridge(BOTH, ipMasq=True)],
        "ptp, ipMasq, portmap": [{"type": "ptp", "ipMasq": True, "ipam": FOUR}, portmap],
        "podman's chain": [_bridge(FOUR, ipMasq=True), portmap, {"type": "firewall"}, {"type": "tuning"}],
    }
    return [{"cniVersion": "1.0.0", "name": "bench", **body} for body in bodies[name]]


def _bridge(ipam: Json, **keys: object) -> Json:
    return {
        "type": "bridge",
        "bridge": "bench0",
        "isGateway": True,
        "isDefaultGateway": True,
        "ipam": ipam,
    } | keys
