"""How many bytes each way to another node takes from a packet. The one place where that is counted."""

from __future__ import annotations

from overlay.record import Mode

IP = {4: 20, 6: 40}  # bytes of an outer header (RFC 791, RFC 8200)
UDP, VXLAN, ETHERNET = 8, 8, 14  # RFC 768; RFC 7348 and its GPE; a frame without its check sum
LEAST = {4: 576, 6: 1280}  # bytes; what every path must carry (RFC 791, RFC 8200)


def overhead(mode: Mode, outer: int, *, encryption: int = 0) -> int:
    """Return the bytes that a mode adds over an outer family (4 or 6).

    `encryption`: those of a layer below the tunnel, once there is one.
    """
    if mode is Mode.DIRECT:
        return encryption
    inner_frame = ETHERNET if mode is Mode.VXLAN else 0
    return IP[outer] + UDP + VXLAN + inner_frame + encryption


def inner_mtu(underlay: int, mode: Mode, outer: int, *, encryption: int = 0) -> int:
    """Return what is left for a pod's packet of an underlay's MTU, both in bytes."""
    return max(LEAST[4], underlay - overhead(mode, outer, encryption=encryption))
