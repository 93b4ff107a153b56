"""`podwire get`, `describe` and `events`: what is in a store, as kubectl would show it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pod_runner.cluster.bodies import JsonObject, with_member
from pod_runner.cluster.events import about, record
from pod_runner.cluster.kinds import POD, PREFIX
from pod_runner.cluster.store import ClusterStore
from service_proxy.claims import Claim, StoreLedger
from tests.cli.cluster.bodies_of import RUNS, container, pod, true
from tests.cli.cluster.conftest import Podwire, write
from tests.cli.conftest import said

READY: JsonObject = {"containerStatuses": [container(RUNS)], "conditions": [true("Ready")]}
SERVICE: JsonObject = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "type": "NodePort", "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}],
    },
}  # fmt: skip


def serving(name: str, address: str) -> JsonObject:
    body = with_member(pod(name, podIP=address, **READY), {"app": "web"}, "metadata", "labels")
    ports = [{"name": "http", "containerPort": 8080}]
    return with_member(body, [{"name": "main", "image": "host", "ports": ports}], "spec", "containers")


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_pods_stand_in_kubectls_columns(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("web", **READY), pod("job", phase="Pending"))
    shown = table(podwire("get", "pods", "-o", "wide").stdout)
    assert shown[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert [row[:4] for row in shown[1:]] == [["job", "0/1", "Pending", "0"], ["web", "1/1", "Running", "0"]]
    assert [row[-2:] for row in shown[1:]] == [["10.244.1.2", "node1"]] * 2


def test_selectors_and_fields_choose(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, serving("a", "10.1.0.1"), with_member(pod("b"), "node2", "spec", "nodeName"))
    assert podwire("get", "po", "-l", "app in (web)", "-o", "name").stdout == "pod/a\n"
    assert podwire("get", "po", "--field-selector", "spec.nodeName!=node1", "-o", "name").stdout == "pod/b\n"
    wrong = podwire("get", "po", "-l", "app==")
    assert wrong.exit_code == 0 and "no resources found" in wrong.stderr
    refused = podwire("get", "po", "-l", "a b")
    assert refused.exit_code == 1 and "selector 'a b'" in refused.stderr


def test_namespaces_are_kept_apart(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("here"), with_member(pod("there"), "shop", "metadata", "namespace"))
    assert podwire("get", "pods", "--no-headers", "-n", "shop").stdout.split()[0] == "there"
    everywhere = table(podwire("get", "pods", "-A").stdout)
    assert everywhere[0][:2] == ["NAMESPACE", "NAME"]
    assert [row[:2] for row in everywhere[1:]] == [["default", "here"], ["shop", "there"]]


def test_a_service_shows_what_it_was_given_and_who_answers(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, SERVICE, serving("a", "10.1.0.1"), serving("b", "fd00::2"), pod("c"))
    assert table(podwire("get", "svc").stdout)[1][2:5] == ["<pending>", "<none>", "80/TCP"]
    claims = [
        ("ip/10.96.3.4", ""),
        ("ip/fd00:10:96::5", ""),
        ("port/TCP/30123", "80"),
        ("port/UDP/30124", "80"),
    ]
    StoreLedger(cluster.store, PREFIX).claim(Claim(thing, "default/web", use) for thing, use in claims)
    shown = table(podwire("get", "svc", "-o", "wide").stdout)[1]
    assert shown[2:5] == ["10.96.3.4", "<none>", "80:30123/TCP"]
    assert shown[-2:] == ["app=web", "10.1.0.1:8080,[fd00::2]:8080"]
    body = said(podwire("get", "svc", "web", "-o", "json"))
    assert body["spec"]["clusterIPs"] == ["10.96.3.4", "fd00:10:96::5"]
    assert "Endpoints:  10.1.0.1:8080, [fd00::2]:8080\n" in podwire("describe", "svc/web").stdout


def test_json_is_one_object_or_a_list(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a"), pod("b"))
    one = said(podwire("get", "pod", "a", "-o", "json"))
    assert one["kind"] == "Pod" and int(one["metadata"]["resourceVersion"]) > 0
    every = yaml.safe_load(podwire("get", "pods", "-o", "yaml").stdout)
    assert every["kind"] == "List" and [each["metadata"]["name"] for each in every["items"]] == ["a", "b"]


def test_several_kinds_are_several_tables(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, SERVICE, pod("a"))
    tables = podwire("get", "all").stdout.split("\n\n")
    assert [text.split()[0] for text in tables] == ["NAME", "NAME"]
    assert "pod/a" in tables[0] and "service/web" in tables[1]


def test_what_is_missing_is_told_and_the_rest_is_shown(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a"))
    result = podwire("get", "pod/a", "svc/b")
    assert result.exit_code == 1 and "pod/a" in result.stdout and 'services "b" not found' in result.stderr
    assert podwire("get", "svc/b", "--ignore-not-found").exit_code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["get", "secrets"], 'there is no kind "secrets" here'),
        (["get", "pod/a", "b"], "names are KIND/NAME throughout"),
        (["get", "pod", "a", "-A"], "it does not go with --all-namespaces"),
        (["get", "pod", "a", "-l", "x=y"], "it does not go with a selector"),
        (["get", "pods", "--field-selector", "phase"], "neither KEY=VALUE nor KEY!=VALUE"),
    ],
)
def test_what_means_nothing_is_refused(podwire: Podwire, words: list[str], complaint: str) -> None:
    result = podwire(*words)
    assert result.exit_code == 1 and complaint in result.stderr


def test_events_are_counted_and_told_where_they_belong(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a"), pod("b"))
    for name, times in (("a", 3), ("b", 1)):
        found = cluster.get(POD, "default", name)
        assert found is not None
        for _ in range(times):
            record(cluster, about(found, "Pulled", f"image of {name}", "kubelet"))
    assert "image of a (x3)" in podwire("events").stdout
    only = podwire("events", "--for", "pod/b").stdout
    assert "image of b" in only and "image of a" not in only
    assert "(x3)" in podwire("describe", "pod", "a").stdout and "Events:  <none>" not in only


@pytest.mark.parametrize(
    "spoilt", [{"spec": 3}, {"spec": {"containers": [3, {}]}, "status": {"conditions": {}}}]
)
def test_a_spoilt_object_harms_no_other(podwire: Podwire, cluster: ClusterStore, spoilt: JsonObject) -> None:
    bad = {**pod("bad"), **spoilt}
    write(cluster, bad, pod("good", **READY))
    for words in (["get", "pods", "-o", "wide"], ["describe", "pods"]):
        result = podwire(*words)
        assert result.exit_code == 0 and "good" in result.stdout and "bad" in result.stdout


def test_a_watch_goes_on_until_it_is_interrupted(cluster: ClusterStore, url: str) -> None:
    write(cluster, pod("a", phase="Pending"))
    argv = [sys.executable, "-m", "podwire", "get", "pods", "-w", "--source", url]
    root = Path(__file__).parents[3]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().split()[0] == "NAME"
        assert watch.stdout.readline().split()[:3] == ["a", "0/1", "Pending"]
        write(cluster, pod("a", **READY))
        assert watch.stdout.readline().split()[:3] == ["a", "1/1", "Running"]
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 0


def test_json_of_an_error_is_an_object(podwire: Podwire) -> None:
    result = podwire("get", "nonsense", "-o", "json")
    assert result.exit_code == 1 and json.loads(result.stdout)["code"] == 7
