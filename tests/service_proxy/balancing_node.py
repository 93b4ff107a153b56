"""A node's balancing as a process: its arguments are FOLDER NODE TTL and addresses, as VIP or VIP=NODE,...

It runs until it is killed; SIGTERM lets it give its addresses back.
"""

from __future__ import annotations

import ipaddress
import signal
import sys
from pathlib import Path

from cluster_store.conditions import Conditions
from cluster_store.directory import DirectoryStore
from service_proxy.balancing.announcer import Announcer
from service_proxy.balancing.holding import Candidates
from service_proxy.balancing.speaker import Speaker


def main(folder: str, node: str, ttl: str, *vips: str) -> None:
    """Hold addresses until SIGTERM."""
    conditions = Conditions()
    announcer = Announcer(conditions)
    speaker = Speaker(node, DirectoryStore(Path(folder)), "/podwire", announcer, conditions, int(ttl))
    wanted: dict[bytes, Candidates] = {}
    for one in vips:
        text, equals, nodes = one.partition("=")
        wanted[ipaddress.ip_address(text).packed] = frozenset(nodes.split(",")) if equals else None
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    speaker.set(wanted)
    announcer.start()
    speaker.start()
    signal.sigwait({signal.SIGTERM})
    speaker.stop()
    announcer.stop()


main(*sys.argv[1:])
