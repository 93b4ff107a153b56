"""A node's balancing by an API server, as a process: its arguments are URL, NODE, TTL and pools.

It runs until it is killed; SIGTERM lets it give its addresses back.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile

from cluster_store.conditions import Conditions
from service_proxy.catalogue import Catalogue
from service_proxy.opening import open_balancing, open_services
from service_proxy.settings import ProxySettings

CONFIG = """
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: URL}}]
users: [{name: u, user: {}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
"""


def main(url: str, node: str, ttl: str, *pools: str) -> None:
    """Hold addresses until SIGTERM."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(CONFIG.replace("URL", url))
        file.flush()
        settings = ProxySettings(
            enabled=True, source="kubernetes", kubeconfig=file.name, node=node, load_balancer_pools=pools
        )
        serve(settings, int(ttl))


def serve(settings: ProxySettings, ttl: int) -> None:
    """Have events come in until SIGTERM."""
    conditions = Conditions()
    source = open_services(settings, settings, conditions)
    catalogue = Catalogue(settings.node_name, source.kinds)
    balancing = open_balancing(settings, catalogue, conditions, ttl)
    assert balancing is not None
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    balancing.start()
    while not asked:
        for event in source.next(0.05):
            catalogue.take(event)
    source.close()
    balancing.stop()


os.environ.pop("NODE_NAME", None)
main(*sys.argv[1:])
