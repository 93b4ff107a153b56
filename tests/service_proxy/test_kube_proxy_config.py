"""kube-proxy's configuration file, read for this proxy."""

from __future__ import annotations

import pytest
import yaml

from cni_spec.config import validate
from cni_spec.errors import CniError
from service_proxy.kube_proxy_config import BadConfiguration, read_configuration, read_duration
from service_proxy.settings import ProxySettings

KUBEADM = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: nftables
nftables:
  masqueradeAll: true
  masqueradeBit: 15
  minSyncPeriod: 1s
  syncPeriod: 30s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
"""


def configuration(**more: object) -> dict[str, object]:
    body: dict[str, object] = yaml.safe_load(KUBEADM)
    return body | more


def test_the_file_that_kubeadm_writes_is_understood_whole() -> None:
    reading = read_configuration(configuration())
    assert reading.notes == []
    settings = validate(ProxySettings, reading.settings)
    assert settings.kubeconfig == "/var/lib/kube-proxy/kubeconfig.conf"
    assert settings.pods == ("10.244.0.0/16", "fd00:10:244::/56")
    assert settings.masquerade_all and settings.mark == 0x8000
    assert settings.healthz == "0.0.0.0:10256" and settings.metrics == "127.0.0.1:10249"
    assert settings.nodeport_addresses == ("primary",)
    assert settings.conntrack.tcp_close_wait_timeout == 3600
    assert settings.conntrack.max_per_core == 32768


@pytest.mark.parametrize(
    ("mode", "localhost", "where"),
    [("nftables", True, ["primary"]), ("iptables", None, ["all"]), ("", True, ["all", "localhost"])],
)
def test_node_ports_are_served_where_that_mode_of_kube_proxy_serves_them(
    mode: str, localhost: bool | None, where: list[str]
) -> None:
    body = configuration(mode=mode, iptables={"localhostNodePorts": localhost})
    assert read_configuration(body).settings["nodeport_addresses"] == where
    told = configuration(mode=mode, nodePortAddresses=["192.0.2.0/24"])
    assert read_configuration(told).settings["nodeport_addresses"] == ["192.0.2.0/24"]


@pytest.mark.parametrize("key", ["clusterCidr", "spoon", "conntrack.spoon", "nftables.spoon"])
def test_a_key_nobody_knows_is_named(key: str) -> None:
    section, dot, inner = key.partition(".")
    body = configuration(**{section: {inner: 1} if dot else 1})
    (note,) = read_configuration(body).notes
    assert note.startswith(f"{key}:")


def test_who_is_a_pod_is_told_by_what_the_file_names() -> None:
    for mode, key, name, here in (
        ("BridgeInterface", "bridgeInterface", "cni0", "cni0"),
        ("InterfaceNamePrefix", "interfaceNamePrefix", "veth", "veth*"),
    ):
        reading = read_configuration(configuration(detectLocalMode=mode, detectLocal={key: name}))
        assert not reading.notes and validate(ProxySettings, reading.settings).pod_interface == here
        (note,) = read_configuration(configuration(detectLocalMode=mode)).notes
        assert f"{mode} wants detectLocal.{key}" in note
    (note,) = read_configuration(configuration(detectLocalMode="Spoon")).notes
    assert "'Spoon' is not known" in note
    bad = read_configuration(
        configuration(detectLocalMode="BridgeInterface", detectLocal={"bridgeInterface": 'a" accept'})
    )
    with pytest.raises(CniError, match="pod_interface"):
        validate(ProxySettings, bad.settings)
    by_node = read_configuration(configuration(detectLocalMode="NodeCIDR"))
    assert by_node.detects_by_node and "pods" not in by_node.settings


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h0m0s", 86400), ("1h30m", 5400), ("90s", 90), ("0s", 0), ("1500ms", 2)]
)
def test_gos_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration("key", text) == seconds


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "Other"}, {"apiVersion": "v2"}, {"clusterCIDR": 1}, {"nodePortAddresses": "all"},
        {"conntrack": {"maxPerCore": True}}, {"conntrack": {"tcpCloseWaitTimeout": "soon"}},
        {"nftables": {"masqueradeAll": "yes"}},
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(more: dict[str, object]) -> None:
    with pytest.raises(BadConfiguration) as refused:
        read_configuration(configuration(**more))
    assert "expected" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "ours"), [("::", "[::]:10256"), ("10.0.0.1", "10.0.0.1:10256"), ("[::1]:1", "[::1]:1")]
)
def test_an_address_without_a_port_gets_kube_proxys(given: str, ours: str) -> None:
    assert read_configuration(configuration(healthzBindAddress=given)).settings["healthz"] == ours
