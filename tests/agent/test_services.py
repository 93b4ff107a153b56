"""Services in an agent: asked through its socket, by the command line, by name, and by Prometheus."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster_store.store import StoreRefused
from podwire.agent.client import ask
from podwire.agent.protocol import NOT_SERVED, SERVICES, Reply, Request
from podwire.agent.services import Services
from podwire.agent.services_metrics import ServicesCollector
from podwire.agent.standalone import running_services
from service_proxy.catalogue import Event, Kind
from service_proxy.health import ProxyHealth
from service_proxy.node import ServiceNode
from service_proxy.settings import DnsSettings, ProxySettings
from service_proxy.sources.source import Source
from tests.agent.conftest import SOCKET
from tests.service_proxy.world import NODE, WITHIN, Folder, pod, service, table, wait_for
from tests.ways import running_agent

WEB = service("web", "10.96.0.5", type="NodePort", ports=[{"name": "http", "port": 80, "targetPort": 8080}])
NAMESPACE: dict[str, object] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}


@pytest.fixture
def services(host: None, tmp_path: Path) -> Iterator[Services]:
    """Run an agent that serves one service with an endpoint on this very host."""
    subprocess.run(["ip", "addr", "add", "10.244.0.5/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "add", "10.96.0.0/16", "dev", "lo"], check=True)
    folder = Folder(tmp_path / "services")
    folder.put(WEB, NAMESPACE, pod("web-1", "10.244.0.5", app="web"))
    proxy = ProxySettings(
        enabled=True, source=str(folder.path), node=NODE, pods=("10.244.0.0/16",), state=str(tmp_path)
    )
    dns = DnsSettings(enabled=True, source=str(folder.path), node=NODE, upstreams=("192.0.2.1",))
    found = Services(proxy, dns)
    with running_agent(SOCKET) as server:
        server.serving.questions[SERVICES] = found.answer
        found.start()
        try:
            assert found.wait_ready(WITHIN)
            wait_for(lambda: found.dns is not None)
            yield found
        finally:
            found.stop()


def question(**body: str) -> Reply:
    return ask(SOCKET, Request(SERVICES, {}, json.dumps(body).encode()), timeout=60)


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
        return str(answer.read().decode())


def podwire(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podwire", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_agent_without_services_says_so(host: None) -> None:
    with running_agent(SOCKET):
        assert question(ask="status").status == NOT_SERVED
        done = podwire("service", "list")
        assert done.returncode == 1 and "this agent serves no services" in done.stderr


def test_who_answers_where_and_how_much_is_shown(services: Services) -> None:
    with socket.create_server(("10.244.0.5", 8080)) as server:
        clients = [socket.create_connection(("10.96.0.5", 80), timeout=30) for _ in range(3)]
        body: dict[str, Any] = json.loads(question(ask="show", of="default/web").stdout)
        for client in clients:
            client.close()
        server.close()
    cluster_ip, node_port = body["front_ends"]
    assert (cluster_ip["address"], cluster_ip["port"], cluster_ip["connections"]) == ("10.96.0.5", 80, 3)
    assert node_port["reach"] == "node_port" and 30000 <= node_port["port"] <= 32767
    (back_end,) = body["back_ends"]
    assert back_end["address"] == "10.244.0.5" and back_end["pod"] == "web-1" and back_end["node"] == NODE
    assert back_end["condition"] == "ready" and back_end["share"] == 1.0 and back_end["flows"] == 3


def test_the_command_line_shows_it_to_people_and_to_programs(services: Services) -> None:
    shown = podwire("service", "list")
    assert shown.returncode == 0 and "10.96.0.5" in shown.stdout and "1 of 1" in shown.stdout
    (line,) = json.loads(podwire("service", "list", "-o", "json").stdout)
    assert line["name"] == "web"
    assert "10.244.0.5:8080" in podwire("service", "show", "web").stdout
    nobody = podwire("service", "show", "nobody")
    assert nobody.returncode == 1 and "there is no service 'nobody'" in nobody.stderr
    status = podwire("service", "status", "-o", "json")
    assert status.returncode == 0 and json.loads(status.stdout)["dns"]["addresses"] == ["10.96.0.10"]


def test_names_are_resolved_as_a_pod_would(services: Services) -> None:
    found = json.loads(podwire("resolve", "web", "-o", "json").stdout)
    assert found["answers"][0]["data"] == "10.96.0.5" and found["said by"] == "the cluster's zone"
    by_type = json.loads(podwire("resolve", "_http._tcp.web", "-t", "SRV", "-o", "json").stdout)
    assert by_type["answers"][0]["data"] == "0 100 80 web.default.svc.cluster.local."
    back = json.loads(podwire("resolve", "10.96.0.5", "-o", "json").stdout)
    assert back["answers"][0]["data"] == "web.default.svc.cluster.local."
    question = ["dig", "+short", "@10.96.0.10", "web.default.svc.cluster.local"]
    judged = subprocess.run(question, capture_output=True, text=True, check=True)
    assert judged.stdout == "10.96.0.5\n"


@pytest.mark.parametrize("body", [{"ask": "everything"}, {}, {"ask": "\0"}, {"ask": "show", "of": "/"}])
def test_what_cannot_be_asked_is_one_error(services: Services, body: dict[str, str]) -> None:
    reply = question(**body)
    assert reply.status == 1 and json.loads(reply.stdout)["code"] in (7, 50)


def test_prometheus_hears_of_it_under_kube_proxys_and_corednss_names(services: Services) -> None:
    found = {one.name: one for one in ServicesCollector(services).collect()}
    (services_there,) = found["podwire_services"].samples
    assert services_there.value == 1
    for name in ("kubeproxy_sync_proxy_rules_duration_seconds", "coredns_dns_requests"):
        assert name in found
    counts = [
        one for one in found["kubeproxy_sync_proxy_rules_duration_seconds"].samples if "count" in one.name
    ]
    assert counts[0].value >= 1


class Fragile(Services):
    """Services whose first loop meets an error of our own, and whose second a source that cannot be."""

    made = 0

    def _make(self) -> ServiceNode:
        self.made += 1
        if self.made == 2:
            raise StoreRefused("the kubeconfig has gone")
        found = super()._make()
        if self.made == 1:
            found.source.close()
            found.source = Source("broken", found.source.kinds, [], [BrokenStage()])
        return found


class BrokenStage:
    def take(self, events: Sequence[Event]) -> list[Event]:
        raise KeyError("nobody has thought of this")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_dies_is_followed_by_another(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(WEB)
    proxy = ProxySettings(enabled=True, source=str(folder.path), node=NODE, state=str(tmp_path))
    found = Fragile(proxy, DnsSettings())
    found.start()
    wait_for(lambda: found.made == 3 and found.node.is_synced)
    assert "10.96.0.5" in table()
    found.stop()


def test_dns_alone_is_never_late_with_rules_that_it_does_not_write(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(WEB)
    dns = DnsSettings(enabled=True, source=str(folder.path), node=NODE, addresses=("127.0.0.53",))
    found = Services(ProxySettings(state=str(tmp_path)), dns)
    found.start()
    wait_for(lambda: bool(found.node.catalogue.services) and found.dns is not None)
    body = json.loads(found.answer(b'{"ask": "status"}').stdout)
    assert body["programs"] is False and body["complete"] and body["services"] == 1
    assert found.node.health.is_healthy and found.node.figures.programming.count == 0
    found.node.health = ProxyHealth(patience=0)
    late = {one.name: one for one in ServicesCollector(found).collect()}["podwire_services_late"]
    assert late.samples[0].value == 0
    found.stop()
    assert table() == ""


def test_a_loop_that_cannot_begin_gives_back_all_it_has_opened(host: None, tmp_path: Path) -> None:
    settings = ProxySettings(
        enabled=True, source=str(tmp_path), node=NODE, load_balancer_pools=("192.0.2.0/24",)
    )
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        node = ServiceNode(
            settings.model_copy(update={"source": "nonsense:"}),
            lambda conditions: Source("nothing", frozenset(Kind), []),
        )
        with pytest.raises(StoreRefused):
            node.run()
        del node
        gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_both_have_their_metrics_in_the_agent_too(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    common = {"enabled": True, "source": str(folder.path), "node": NODE}
    proxy = ProxySettings.model_validate({**common, "metrics": "127.0.0.1:10249", "state": str(tmp_path)})
    dns = DnsSettings.model_validate({**common, "metrics": "127.0.0.1:9153"})
    with running_services(proxy, dns) as found:
        wait_for(lambda: found.dns is not None)
        assert get(10249, "proxyMode") == "nftables" and "kubeproxy_sync" in get(10249, "metrics")
        assert "coredns_dns_requests_total" in get(9153, "metrics")


def test_probes_say_whether_names_are_answered(host: None, tmp_path: Path) -> None:
    common = {"enabled": True, "source": str(Folder(tmp_path / "services").path), "node": NODE}
    dns = DnsSettings.model_validate({**common, "metrics": "127.0.0.1:9153"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("0.0.0.0", 53))  # somebody else has the port
        with running_services(ProxySettings(state=str(tmp_path)), dns) as found:
            wait_for(lambda: found.node.catalogue.is_complete)
            assert get(9153, "livez") == "ok"
            with pytest.raises(urllib.error.HTTPError, match="503") as refused:
                get(9153, "healthz")
            assert refused.value.read() == b"DNS is not served"
            taker.close()
            wait_for(lambda: found.dns is not None)
            assert get(9153, "healthz") == get(9153, "ready") == "ok"


def test_names_are_answered_beside_a_proxy_of_its_own(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(WEB, NAMESPACE)
    common = {"enabled": True, "source": str(folder.path), "node": NODE}
    proxy = ProxySettings.model_validate({**common, "state": str(tmp_path)})
    with (
        running_services(proxy, DnsSettings()) as rules,
        running_services(ProxySettings(state=str(tmp_path)), DnsSettings.model_validate(common)) as names,
    ):
        assert rules.wait_ready(WITHIN)
        wait_for(lambda: names.dns is not None)
        question = ["dig", "+short", "@10.96.0.10", "web.default.svc.cluster.local"]
        judged = subprocess.run(question, capture_output=True, text=True, check=True)
        assert judged.stdout == "10.96.0.5\n", "its address is of the range of ClusterIPs, and no service's"
