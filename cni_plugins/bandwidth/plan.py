"""What an ADD of bandwidth does, as values."""

from __future__ import annotations

import hashlib

from cni_plugins.bandwidth.config import Limits
from linuxnet.numbers import IFB_PREFIX
from linuxnet.op import Op
from linuxnet.owner import Attachment
from linuxnet.tc import Detour, Ifb, TokenBucket


def plan(
    limits: Limits, latency: int, owner: Attachment, host_end: str, mtu: int, ifb: str
) -> tuple[Op, ...]:
    """List the operations. `host_end` is the veth's, `mtu` its MTU in bytes, `latency` in milliseconds."""
    ops: list[Op] = []
    if limits.ingress_rate:
        ops.append(TokenBucket(host_end, limits.ingress_rate, limits.ingress_burst, latency))
    if limits.egress_rate:
        ops.append(Ifb(ifb, mtu, owner.alias))
        ops.append(TokenBucket(ifb, limits.egress_rate, limits.egress_burst, latency))
        ops.append(Detour(host_end, ifb))
    return tuple(ops)


def ifb_names(owner: Attachment) -> tuple[str, str]:
    """Return the names an attachment's IFB may have.

    The first is the reference plugin's, the same for every interface of a container; a second interface
    takes the second.
    """
    first = owner.network + owner.container_id
    return _ifb_name(first), _ifb_name(first + owner.ifname)


def _ifb_name(text: str) -> str:
    return IFB_PREFIX + hashlib.sha512(text.encode()).hexdigest()[:12]
