"""`podwire proxy` in kube-proxy's place, `podwire dns` in CoreDNS's: flags, files, probes, cleaning up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.kube_api.server import ApiServer, running_api
from tests.service_proxy.sources.worlds import KubeWorld
from tests.service_proxy.test_kube_proxy_config import configuration
from tests.service_proxy.world import WITHIN, Folder, nft, pod, service, table, wait_for

NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}, "spec": {"podCIDR": "10.244.0.0/24"},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]},
}  # fmt: skip
SLICE = {
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
    "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
    "ports": [{"name": "", "protocol": "TCP", "port": 8080}],
    "endpoints": [{"addresses": ["10.244.0.5"], "nodeName": "one", "conditions": {"ready": True}}],
}  # fmt: skip
WEB = service("web", "10.96.0.5")
METRICS, HEALTHZ = "127.0.0.1:10249", "127.0.0.1:10256"


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Path]:
    """Run a command that serves, in a process; end it as systemd does, and see that it ends well.

    Give the file that it writes to on stderr.
    """
    socket, said = str(folder / "services.sock"), folder / "said"
    command = [sys.executable, "-m", "podwire", *words, "--socket", socket]
    with said.open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{url}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:  # not there yet
        return 0, ""


def kubeconfig(api: ApiServer, folder: Path) -> Path:
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": api.url}}], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.fixture
def world(host: None) -> Iterator[KubeWorld]:
    with running_api() as api:
        found = KubeWorld(api)
        for one in (NODE, WEB, SLICE):
            found.put(one)
        yield found


def test_kube_proxys_file_flags_and_probes_are_taken(world: KubeWorld, tmp_path: Path) -> None:
    more = {"clientConnection": {"kubeconfig": str(kubeconfig(world.api, tmp_path))}, "spoon": 1}
    file = tmp_path / "config.conf"
    file.write_text(yaml.safe_dump(configuration(**more, healthzBindAddress=HEALTHZ)))
    words = (f"--config={file}", "--hostname-override=one", "--v=2", "--iptables-sync-period=1s")
    with running(tmp_path, "proxy", *words) as log:
        wait_for(lambda: "10.96.0.5 . tcp . 80 . 0 : 10.244.0.5 . 8080" in table())
        wait_for(lambda: fetch(f"{HEALTHZ}/healthz")[0] == 200)
        assert fetch(f"{HEALTHZ}/livez")[0] == 200 and fetch(f"{HEALTHZ}/other")[0] == 404
        assert fetch(f"{METRICS}/proxyMode") == (200, "nftables")
        told = fetch(f"{METRICS}/metrics")[1]
        assert "kubeproxy_sync_proxy_rules_last_timestamp_seconds" in told
        for line in (
            'kubeproxy_proxy_livez_total{code="200"} 1.0',
            'kubeproxy_proxy_healthz_total{code="200"} ',
            "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1.",
            "kubeproxy_sync_proxy_rules_endpoint_changes_pending 0.0",
            "kubeproxy_sync_proxy_rules_service_changes_pending 0.0",
            'kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external"} 0.0',
        ):
            assert f"\n{line}" in told, line
        assert json.loads(fetch(f"{METRICS}/configz")[1])["podwire"]["masquerade_all"] is True
        assert "0x8000" in table() or "0x00008000" in table(), "masqueradeBit: 15"
    said = log.read_text()
    assert "spoon: no such key is known" in said and "--iptables-sync-period: no such flag" in said
    assert "10.96.0.5" in table(), "connections go on"


def test_cleanup_takes_away_ours_and_kube_proxys(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(service("web", "10.96.0.5"), pod("web-1", "10.244.0.5", app="web"))
    listens = ("--healthz-bind-address", HEALTHZ, "--metrics-bind-address", METRICS)
    with running(tmp_path, "proxy", "--source", str(folder.path), "--hostname-override", "one", *listens):
        wait_for(lambda: "10.96.0.5" in table())
    subprocess.run(["nft", "add table ip kube-proxy; add table ip mine"], check=True)
    command = [sys.executable, "-m", "podwire", "proxy", "--cleanup"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert nft("list", "tables") == "table ip mine\n"
    assert "removed nft table ip kube-proxy" in done.stderr


def test_dns_by_itself_answers_from_a_folder(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(service("web", "10.96.0.5"), {"kind": "Namespace", "metadata": {"name": "default"}})
    words = (
        "--source",
        str(folder.path),
        "--listen",
        "127.0.0.53",
        "--zone",
        "test.",
        "--upstream",
        "192.0.2.1",
    )
    question = ["dig", "+short", "+tries=1", "+time=1", "@127.0.0.53", "web.default.svc.test"]
    with running(tmp_path, "dns", *words):
        wait_for(
            lambda: (
                subprocess.run(question, capture_output=True, text=True, check=False).stdout == "10.96.0.5\n"
            )
        )
        asked = [
            sys.executable,
            "-m",
            "podwire",
            "resolve",
            "web.default",
            "--server",
            "127.0.0.53",
            "--zone",
            "test",
        ]
        assert "10.96.0.5" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert table() == "", "a DNS server alone has no rules"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("proxy", "--config", "/nonexistent"), "/nonexistent: No such file"),
        (("proxy", "--config", "/nonexistent.toml"), "/nonexistent.toml: there is no such file"),
        (("dns", "--config", "/nonexistent.toml"), "/nonexistent.toml: there is no such file"),
        (("proxy", "--source", "nonsense:"), "expected"),
        (("proxy", "--source", "/x", "--cluster-cidr", "10.0.0.0/99"), "pods"),
        (("proxy", "--source", "kubernetes"), "KUBERNETES_SERVICE_HOST"),
        (("dns", "--source", "/x", "--upstream", "nobody"), "[dns] upstreams: 'nobody'"),
        (("service", "show", "web", "--socket", "/nonexistent"), "nobody answers"),
        (("service", "delete", "", "--source", "/nonexistent"), "expected NAME or NAMESPACE/NAME"),
        (("service", "apply", "-f", "/dev/null", "--source", "/nonexistent"), "there is no object in it"),
        (("resolve", "web", "--server", "127.0.0.1", "--type", "TYPE65536"), "there is no type"),
    ],
)
def test_what_is_wrong_is_one_sentence(host: None, words: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "podwire", *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=20)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert table() == ""


def test_booleans_are_taken_as_gos_programs_take_them(host: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "services")
    folder.put(service("web", "10.96.0.5"))
    flags = (
        "--masquerade-all=true",
        "--cleanup=False",
        "--healthz-bind-address=",
        "--bind-address-hard-fail=true",
    )
    with running(
        tmp_path, "proxy", "--source", str(folder.path), *flags, f"--metrics-bind-address={METRICS}"
    ):
        wait_for(lambda: "10.96.0.5" in table())
        assert json.loads(fetch(f"{METRICS}/configz")[1])["podwire"]["masquerade_all"] is True
    command = [sys.executable, "-m", "podwire", "proxy", "--cleanup=true"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
    assert table() == ""


def test_sections_are_named_in_the_help() -> None:
    for words, said in ((("proxy",), "[proxy]"), (("dns",), "[dns]"), (("service", "apply"), "[proxy]")):
        command = [sys.executable, "-m", "podwire", *words, "--help"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "200"}
        )
        assert said in done.stdout
