"""What pods are told of their node: its own address, and where its name server answers."""

from __future__ import annotations

import socket

from linuxnet.packed import text_of
from podwire.agent.settings import Settings

# Of documentation (RFC 5737, RFC 3849): only the way there is asked for, nothing is sent
ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
PORT = 9  # discard


def own_address() -> str:
    """Return the address that this node has on the way to others, "" if there is no way out."""
    for family, target in ANYWHERE:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            try:
                asking.connect((target, PORT))
            except OSError:  # no route
                continue
            return str(asking.getsockname()[0])
    return ""


def name_servers(settings: Settings) -> tuple[str, ...]:
    """Return where the DNS server of this node answers, () without one."""
    if not settings.dns.enabled:
        return ()
    from service_proxy.dns.opening import addresses_of  # 60 modules that a node without DNS need not load

    return tuple(text_of(one) for one in addresses_of(settings.dns, settings.proxy))
