"""One service, whose endpoint is a cable away, and how it is asked for."""

from __future__ import annotations

import time

from podwire.demo.world import World
from tests.deploy.kustomize import Json

NODE, OUTSIDE = "192.0.2.1", "192.0.2.2"  # RFC 5737, for documentation
ANSWER_WITHIN = 30.0  # seconds, on a machine busy with other tests
CLUSTER_IP, NAME = "10.96.0.50", "web.default.svc.cluster.local"
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "type": "ClusterIP", "clusterIP": CLUSTER_IP, "clusterIPs": [CLUSTER_IP], "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
    },
}  # fmt: skip
SLICE: Json = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"},
    },
    "addressType": "IPv4",
    "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    "endpoints": [{"addresses": [OUTSIDE], "conditions": {"ready": True}}],
}  # fmt: skip


def serve_page(world: World) -> None:
    """Serve a page at the endpoint; httpd returns once it listens."""
    world.run(["mkdir", "-p", "/run/www"])
    world.path("/run/www/index.html").write_text("hello\n")
    world.run(["ip", "netns", "exec", "outside", "busybox", "httpd", "-p", "8080", "-h", "/run/www"])


def wait_page(world: World) -> None:
    """Wait until the service's address answers from the node."""
    end = time.monotonic() + ANSWER_WITHIN
    fetch = ["timeout", "5", "busybox", "wget", "-q", "-O", "-", f"http://{CLUSTER_IP}/"]
    while (done := world.attempt(fetch)).stdout != b"hello\n":
        assert time.monotonic() < end, done.stderr


def wait_name(world: World, server: str) -> None:
    """Wait until a DNS server tells the service's address."""
    end = time.monotonic() + ANSWER_WITHIN
    ask = ["timeout", "5", "busybox", "nslookup", NAME, server]
    while CLUSTER_IP.encode() not in (done := world.attempt(ask)).stdout:
        assert time.monotonic() < end, done.stdout + done.stderr
