"""What changes is answered as it is now; what dies is started again; what is not known yet is waited for."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from linuxnet.netns import inside
from service_proxy.catalogue import Catalogue, Changed, Kind
from service_proxy.dns import orphan
from service_proxy.dns.feed import Feed
from service_proxy.dns.forward_settings import Server
from service_proxy.dns.metrics import DnsCollector
from service_proxy.dns.node_dns import DnsOptions, NodeDns
from service_proxy.dns.outside import OutsideOptions, open_outside
from service_proxy.dns.zone import PodNames, ZoneOptions
from service_proxy.model import Namespace, Node, Pod, Service, ServiceName, SliceName
from tests.service_proxy.dns.world import (
    DEADLINE,
    HTTP,
    V4,
    World,
    cluster,
    endpoint,
    list_all,
    packed,
    slice_of,
    world,
)

SVC = "default.svc.cluster.local."
WEB, HEADLESS = ServiceName("default", "web"), ServiceName("default", "headless")


def wait_status(server: World, status: str, *words: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while (said := server.dig(*words)).status != status:
        assert time.monotonic() < deadline, said.text


def test_a_service_comes_changes_and_goes() -> None:
    with world() as server:
        wait_status(server, "NXDOMAIN", f"new.{SVC}", "A")
        new = Service(ServiceName("default", "new"), ports=(HTTP,), cluster_ips=packed("10.96.1.1"))
        server.change(Kind.SERVICE, new)
        server.wait_for([f"new.{SVC} A 10.96.1.1"], f"new.{SVC}", "A")
        moved = Service(new.name, ports=(HTTP,), cluster_ips=packed("10.96.1.2"))
        server.change(Kind.SERVICE, moved)
        server.wait_for([f"new.{SVC} A 10.96.1.2"], f"new.{SVC}", "A")
        server.wait_for([f"2.1.96.10.in-addr.arpa. PTR new.{SVC}"], "-x", "10.96.1.2")
        wait_status(server, "SERVFAIL", "-x", "10.96.1.1")
        server.catalogue.take(Changed(Kind.SERVICE, new.name, None))
        wait_status(server, "NXDOMAIN", f"new.{SVC}", "A")
        wait_status(server, "SERVFAIL", "-x", "10.96.1.2")


def test_endpoints_come_and_go_and_others_keep_their_answers() -> None:
    with world() as server:
        server.wait_for(
            [f"headless.{SVC} A 10.244.1.6", f"headless.{SVC} A 10.244.1.7"], f"headless.{SVC}", "A"
        )
        before = server.dig(f"web.{SVC}", "A").answer
        server.change(Kind.SLICE, slice_of(HEADLESS, endpoint("10.244.1.9", "db-9")))
        server.wait_for([f"headless.{SVC} A 10.244.1.9"], f"headless.{SVC}", "A")
        server.wait_for([f"db-9.headless.{SVC} A 10.244.1.9"], f"db-9.headless.{SVC}", "A")
        wait_status(server, "NXDOMAIN", f"db-0.headless.{SVC}", "A")
        assert server.dig(f"web.{SVC}", "A").answer == before


def test_a_namespace_is_there_for_as_long_as_anything_says_so() -> None:
    with world() as server:
        wait_status(server, "NXDOMAIN", "late.svc.cluster.local", "A")
        server.change(Kind.NAMESPACE, Namespace("late"))
        wait_status(server, "NOERROR", "late.svc.cluster.local", "A")
        service = Service(ServiceName("late", "one"), cluster_ips=packed("10.96.2.1"))
        server.change(Kind.SERVICE, service)
        server.wait_for(["one.late.svc.cluster.local. A 10.96.2.1"], "one.late.svc.cluster.local", "A")
        server.catalogue.take(Changed(Kind.NAMESPACE, "late", None))
        server.catalogue.take(Changed(Kind.SERVICE, service.name, None))
        wait_status(server, "NXDOMAIN", "late.svc.cluster.local", "A")


def test_verified_pods_are_those_of_the_namespace() -> None:
    options = DnsOptions(packed(V4), zone=ZoneOptions(pods=PodNames.VERIFIED))
    name = "10-244-5-5.default.pod.cluster.local."
    with world(options) as server:
        wait_status(server, "NXDOMAIN", name, "A")
        pod = Pod(SliceName("default", "one"), packed("10.244.5.5"))
        server.change(Kind.POD, pod)
        server.wait_for([f"{name} A 10.244.5.5"], name, "A")
        assert server.dig("10-244-5-5.other.pod.cluster.local", "A").status == "NXDOMAIN"
        server.change(Kind.POD, Pod(pod.name, pod.addresses, is_over=True))
        wait_status(server, "NXDOMAIN", name, "A")


def test_disabled_pods_have_no_names() -> None:
    with world(DnsOptions(packed(V4), zone=ZoneOptions(pods=PodNames.DISABLED))) as server:
        wait_status(server, "NXDOMAIN", "1-2-3-4.default.pod.cluster.local", "A")


def test_near_endpoints_come_first() -> None:
    options = DnsOptions(packed(V4), zone=ZoneOptions(prefers_near=True))
    ends = [("10.244.1.1", "far", "b"), ("10.244.1.2", "beside", "a"), ("10.244.1.3", "here", "a")]
    with world(options, node="here") as server:
        server.change(Kind.NODE, Node("here", zone="a"))
        server.change(
            Kind.SLICE, slice_of(HEADLESS, *(endpoint(one, node=node, zone=zone) for one, node, zone in ends))
        )
        server.wait_for([f"headless.{SVC} A {one}" for one, _, _ in ends], f"headless.{SVC}", "A")
        said = [server.dig(f"headless.{SVC}", "A", "+short").text.split() for _ in range(4)]
        assert said == [["10.244.1.3", "10.244.1.2", "10.244.1.1"]] * 4


def test_before_everything_was_told_questions_wait() -> None:
    with world(is_told=False) as server, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(server.dig, f"web.{SVC}", "A", way) for way in ("+tcp", "+notcp")]
        assert server.dig("www.example.com", "A").status == "REFUSED"  # others' names need no snapshot
        assert not any(one.done() for one in asked)
        list_all(server.catalogue, *cluster())
        assert [one.result().answer for one in asked] == [[f"web.{SVC} A 10.96.0.10"]] * 2


def test_who_has_waited_long_enough_is_told_of_the_failure() -> None:
    patience = 1.5
    assert ZoneOptions().patience == 5
    options = DnsOptions(packed(V4), zone=ZoneOptions(patience=patience))
    with world(options, is_told=False) as server:
        started = time.monotonic()
        assert server.dig(f"web.{SVC}", "A").status == "SERVFAIL"
        assert patience / 2 < time.monotonic() - started < patience + 2
        started = time.monotonic()
        assert server.dig(f"web.{SVC}", "A").status == "SERVFAIL"  # nobody waits twice
        assert time.monotonic() - started < patience / 2


def test_a_process_that_died_is_started_again_and_knows_everything() -> None:
    with world(DnsOptions(packed(V4), processes=2)) as server:
        server.wait_for([f"web.{SVC} A 10.96.0.10"], f"web.{SVC}", "A")
        for one in list(server.dns.workers):
            os.kill(one.pid, signal.SIGKILL)
        said = server.dig(f"web.{SVC}", "A", "+time=5", "+tries=2")  # waits in the socket
        assert said.answer == [f"web.{SVC} A 10.96.0.10"]
        assert len({one.pid for one in server.dns.workers}) == 2


AGENT = """
from service_proxy.catalogue import Catalogue
from service_proxy.dns.node_dns import DnsOptions, NodeDns
dns = NodeDns(Catalogue(), DnsOptions(processes=2))
dns.start()
print(*(one.pid for one in dns.workers), flush=True)
input()
"""


def test_a_process_leaves_its_end_to_its_agent() -> None:
    web = f"web.{SVC}"
    with world() as server:
        server.wait_for([f"{web} A 10.96.0.10"], web, "A")
        before = [one.pid for one in server.dns.workers]
        for pid in before:  # as systemd does, which tells all processes of a unit at once
            os.kill(pid, signal.SIGTERM)
        server.change(Kind.SERVICE, Service(WEB, ports=(HTTP,), cluster_ips=packed("10.96.0.99")))
        server.wait_for([f"{web} A 10.96.0.99"], web, "A")
        assert [one.pid for one in server.dns.workers if one.is_alive] == before


def test_a_server_that_cannot_listen_is_forgotten(host: None) -> None:
    catalogue = Catalogue()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((V4, 0))
        for _ in range(3):
            with pytest.raises(OSError, match="in use"):
                NodeDns(catalogue, DnsOptions(packed(V4), port=other.getsockname()[1]))
    gc.collect()
    assert not any(isinstance(one, Feed) for one in gc.get_objects()), "they would hear of all changes"


def test_processes_end_with_an_agent_that_is_killed(host: None) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    pids = [int(one) for one in agent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(is_running, pids))
    agent.kill()
    agent.communicate()
    deadline = time.monotonic() + DEADLINE
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline


LINGERING = """
import sys
from service_proxy.catalogue import Catalogue
from service_proxy.dns.node_dns import DnsOptions, NodeDns
from tests.service_proxy.dns.world import ASKED, cluster, list_all
catalogue = Catalogue("", ASKED)
dns = NodeDns(catalogue, DnsOptions(linger=float(sys.argv[1])))
dns.start()
list_all(catalogue, *cluster())
print(*(one.pid for one in dns.workers), flush=True)
input()
"""


@pytest.mark.campaign
def test_a_process_may_outlive_its_agent_until_another_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(DnsOptions(packed("127.0.0.2"))) as server:  # for its namespace
        command = [sys.executable, "-c", LINGERING, "60"]
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
        with inside(server.netns):
            agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert agent.stdout is not None
        (pid,) = (int(one) for one in agent.stdout.readline().split())
        wanted = [f"web.{SVC} A 10.96.0.10"]
        server.wait_for(wanted, f"web.{SVC}", "A")
        agent.kill()
        agent.communicate()
        for _ in range(20):
            assert server.dig(f"web.{SVC}", "A").answer == wanted
        with inside(server.netns):
            successor = NodeDns(server.catalogue, DnsOptions())
        try:
            successor.start()
            deadline = time.monotonic() + orphan.HANDOVER + DEADLINE
            while is_running(pid):
                assert server.dig(f"web.{SVC}", "A").answer == wanted
                assert time.monotonic() < deadline
            assert server.dig(f"web.{SVC}", "A").answer == wanted
        finally:
            successor.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("processes", [1, 2])
def test_figures_are_coredns(processes: int) -> None:
    with world(DnsOptions(packed(V4), processes=processes)) as server:
        server.wait_for([f"web.{SVC} A 10.96.0.10"], f"web.{SVC}", "A")
        before = server.dns.count()
        for _ in range(5):
            server.dig(f"web.{SVC}", "AAAA")
        server.dig(f"nothing.{SVC}", "A", "+tcp")
        server.dig("www.example.com", "MX")
        registry = CollectorRegistry()
        registry.register(DnsCollector(server.dns.count, "cluster.local"))
        text = generate_latest(registry).decode()
    samples = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    server_labels = ("", "dns://:53")
    requests = "coredns_dns_requests_total"
    assert samples[requests, *sorted((*server_labels, "1", "AAAA", "udp", "cluster.local."))] == 5
    assert samples[requests, *sorted((*server_labels, "1", "A", "tcp", "cluster.local."))] == 1
    assert samples[requests, *sorted((*server_labels, "1", "MX", "udp", "."))] == 1
    responses = "coredns_dns_responses_total"
    assert samples[responses, *sorted((*server_labels, "NXDOMAIN", "kubernetes", "cluster.local."))] == 1
    count = samples["coredns_dns_request_duration_seconds_count", *sorted((*server_labels, "cluster.local."))]
    assert count >= sum(before.types.values()) + 7


def test_figures_of_names_of_others_are_coredns_too() -> None:
    closed = OutsideOptions(servers=(Server(V4, 5399),), has_autopath=True)
    with world(DnsOptions(packed(V4), processes=2, open_resolver=partial(open_outside, closed))) as server:
        server.wait_for([f"web.{SVC} A 10.96.0.10"], f"web.{SVC}", "A")
        assert server.dig("www.example.com", "A").status == "SERVFAIL"
        registry = CollectorRegistry()
        registry.register(DnsCollector(server.dns.count, "cluster.local"))
        text = generate_latest(registry).decode()
    assert 'coredns_forward_requests_total{to="127.0.0.1:5399"}' in text
    assert "podwire_dns_forward_failures_total 1.0" in text
    assert "# TYPE coredns_cache_entries gauge" in text
