"""What the manifests start, started on a small machine by runc, with the manifests' rights and mounts."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from linuxnet.netns import inside
from podwire.demo.world import World
from tests.deploy.kustomize import Json, expand
from tests.deploy.pod import VOLUMES, PodOnNode
from tests.deploy.rights import assert_allowed
from tests.deploy.service import NODE, SERVICE, SLICE, wait_name, wait_page
from tests.deploy.test_manifests import OVERLAYS, one_of, pod_of
from tests.kube_api.server import ApiServer, running_api

pytestmark = pytest.mark.clients

API = "127.0.0.1"
SUBNET = "10.244.1.0/24"
START_WITHIN = 60.0  # seconds, on a machine busy with other tests
TOKEN = "a-token-of-the-account"
API_SERVER = "podwire-api-server"
NOWHERE = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}  # no proxy yet


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the API server's certificate, which is its own authority."""
    folder = tmp_path_factory.mktemp("papers")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=api", "-addext", f"subjectAltName=IP:{API}"]
    files = ["-keyout", "api.key", "-out", "api.pem"]
    subprocess.run(["openssl", "req", "-x509", *key, *names, *files], cwd=folder, check=True, capture_output=True)  # fmt: skip # noqa: E501
    return folder


@pytest.fixture
def api(world: World, papers: Path) -> Iterator[ApiServer]:
    """Serve the node's own Node, on the node."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "api.pem", papers / "api.key")
    network = os.open(f"/proc/{world.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with ExitStack() as stack:
        stack.callback(os.close, network)
        with inside(network):
            server = stack.enter_context(running_api(context, host=API))
        server.token = TOKEN
        server.objects.create({"metadata": {"name": "node1"}, "spec": {"podCIDRs": [SUBNET]}})
        world.run(["mkdir", "-p", f"{VOLUMES}/account"])
        for name, text in {"token": TOKEN, "ca.crt": (papers / "api.pem").read_text()}.items():
            world.path(f"{VOLUMES}/account/{name}").write_text(text)
        yield server


class Deployed:
    """An overlay's pod on the node."""

    def __init__(self, overlay: Path, world: World, api: ApiServer) -> None:
        self.objects, self.world = expand(overlay), world
        where = {"KUBERNETES_SERVICE_HOST": API, "KUBERNETES_SERVICE_PORT": f"{api.http.server_port}"}
        maps = {one["metadata"]["name"]: one["data"] for one in self.objects if one["kind"] == "ConfigMap"}
        is_told = API_SERVER in maps  # by who deploys it; else kubelet's own variables lead there
        if is_told:
            maps[API_SERVER] |= where
        spec = pod_of(self.objects)
        self.pod = PodOnNode(world, spec, maps, NOWHERE if is_told else where)
        (self.install,), (self.agent,) = spec["initContainers"], spec["containers"]

    def wait(self, kind: str) -> None:
        """Wait until a probe is answered well."""
        end = time.monotonic() + START_WITHIN
        while answer := self.pod.probe(self.agent, kind):
            assert time.monotonic() < end, f"{kind}: {answer}\n{self.pod.log(self.agent)}"


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_a_node_with_this_pod_is_one_of_the_network(overlay: Path, world: World, api: ApiServer) -> None:
    deployed = Deployed(overlay, world, api)
    pod, agent = deployed.pod, deployed.agent

    for _ in range(2):  # an init container may run again
        done = pod.run(deployed.install)
        assert done.returncode == 0, done.stderr + done.stdout
    (conflist,) = world.path("/etc/cni/net.d").iterdir()
    assert conflist.read_text() == one_of(deployed.objects, "ConfigMap")["data"][conflist.name]

    process = pod.start(agent)
    for kind in (key for key in agent if key.endswith("Probe")):
        deployed.wait(kind)
    assert wait_ready(deployed).stderr == b""
    annotations = api.objects.get("node1")["metadata"]["annotations"]
    assert annotations["flannel.alpha.coreos.com/public-ip"] == NODE
    attach_and_detach(world, json.loads(conflist.read_text()))
    sections = tomllib.loads(one_of(deployed.objects, "ConfigMap")["data"]["agent.toml"])
    if "proxy" in sections:
        api.of["services"].create(SERVICE)
        api.of["endpointslices"].create(SLICE)
        wait_page(world)
    if "dns" in sections:
        wait_name(world, sections["dns"]["addresses"][0])
    told = world.run(["busybox", "wget", "-q", "-O", "-", f"http://{sections['metrics']['listen']}/metrics"])
    assert ("kubeproxy_" in told) == ("proxy" in sections) and ("coredns_" in told) == ("dns" in sections)
    assert_allowed(deployed.objects, api)

    pod.terminate(agent)
    grace = pod_of(deployed.objects)["terminationGracePeriodSeconds"]
    assert process.wait(grace) == 0, pod.log(agent)


def wait_ready(deployed: Deployed) -> subprocess.CompletedProcess[bytes]:
    """Wait until pods may come."""
    end = time.monotonic() + START_WITHIN
    while (done := deployed.pod.execute(deployed.agent, "podwire", "overlay", "status")).returncode:
        assert time.monotonic() < end, done.stdout + done.stderr
    return done


def attach_and_detach(world: World, conflist: Json) -> None:
    """Do to a pod what a runtime does, on the node: by the launcher, whose Python is not there."""
    world.run(["ip", "netns", "add", "pod"])
    assert not world.path("/opt/podwire").exists()
    config = conflist["plugins"][0] | {"cniVersion": "1.0.0", "name": conflist["name"]}
    variables = {"CNI_CONTAINERID": "one", "CNI_NETNS": "/run/netns/pod", "CNI_IFNAME": "eth0"}
    variables |= {"CNI_PATH": "/opt/cni/bin"}
    launcher, stdin = ["/opt/cni/bin/overlay"], json.dumps(config).encode()
    said = json.loads(world.run(launcher, variables | {"CNI_COMMAND": "ADD"}, stdin))
    assert said["ips"][0]["address"].startswith(SUBNET.rpartition(".")[0])
    gateway = said["ips"][0]["gateway"]
    world.run(["ip", "netns", "exec", "pod", "ping", "-c1", "-W5", gateway])
    assert world.run(["cat", "/proc/sys/net/ipv4/ip_forward"]) == "1\n", "the agent may write sysctls"
    world.run(launcher, variables | {"CNI_COMMAND": "DEL"}, stdin)
    assert "eth0" not in world.run(["ip", "-n", "pod", "link"])
