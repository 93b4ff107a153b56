"""The manifests: valid for Kubernetes, consistent in themselves, and with configuration that we accept."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from cni_plugins.registry import PLUGIN_TYPES
from cni_spec.network_list import parse_network_list
from overlay.net_conf import parse_net_conf
from podwire.agent.settings import Settings, read_settings
from service_proxy.settings import split_listen
from tests.deploy.kustomize import FOLDER, Json, expand, identity

OVERLAYS = [path.parent for path in sorted(FOLDER.glob("*/kustomization.yaml")) if path.parent.name != "base"]
VERSIONS = ("1.30", "1.36")  # the oldest with appArmorProfile as a field, and the newest we know
NEVER_GRANTED = {"*", "delete", "deletecollection", "create", "impersonate", "escalate", "bind"}

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


def one_of(objects: list[Json], kind: str, name: str = "podwire") -> Json:
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod_of(objects: list[Json]) -> Json:
    pod: Json = one_of(objects, "DaemonSet")["spec"]["template"]["spec"]
    return pod


def containers(pod: Json) -> Iterator[Json]:
    yield from [*pod["initContainers"], *pod["containers"]]


def test_every_folder_is_an_overlay_and_every_file_is_used() -> None:
    assert [one.name for one in OVERLAYS] == ["all", "network", "network-and-proxy"]
    for kustomization in FOLDER.glob("*/kustomization.yaml"):
        body = yaml.safe_load(kustomization.read_text())
        named = {*body["resources"], *(one["path"] for one in body.get("patches", []))}
        assert {path.name for path in kustomization.parent.iterdir()} - {"kustomization.yaml"} <= named


@each_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(overlay: Path, version: str) -> None:
    for one in expand(overlay):
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_key_would_be_found() -> None:
    daemon_set = one_of(expand(OVERLAYS[0]), "DaemonSet")
    pod_of([daemon_set])["hostNetwrk"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="hostNetwrk"):
        kubernetes_validate.validate(daemon_set, VERSIONS[-1], strict=True)


@each_overlay
def test_what_is_named_is_there(overlay: Path) -> None:
    objects = expand(overlay)
    pod = pod_of(objects)
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    volumes = {one["name"] for one in pod["volumes"]}
    mounted = {mount["name"] for one in containers(pod) for mount in one["volumeMounts"]}
    assert mounted == volumes
    asked = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
    asked |= {source["configMapRef"]["name"] for one in containers(pod) for source in one.get("envFrom", [])}
    assert asked == maps
    assert len({one["image"] for one in containers(pod)}) == 1
    selector = one_of(objects, "DaemonSet")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= one_of(objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"].items()


@each_overlay
def test_whatever_is_in_a_namespace_says_so_and_it_is_ours(overlay: Path) -> None:
    for one in expand(overlay):
        _, kind, namespace, name = identity(one)
        if kind in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            assert namespace == ""
        else:
            assert namespace == "podwire" or (kind, name, namespace) == ("Service", "kube-dns", "kube-system")


@each_overlay
def test_the_account_may_do_a_little(overlay: Path) -> None:
    objects = expand(overlay)
    roles = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ClusterRole"}
    bound = [one for one in objects if one["kind"] == "ClusterRoleBinding"]
    account = identity(one_of(objects, "ServiceAccount"))
    assert {one["roleRef"]["name"] for one in bound} == roles.keys()
    for binding in bound:
        (subject,) = binding["subjects"]
        assert ("v1", subject["kind"], subject["namespace"], subject["name"]) == account
    for rule in (rule for role in roles.values() for rule in role["rules"]):
        is_lease = rule["apiGroups"] == ["coordination.k8s.io"]
        assert not NEVER_GRANTED.difference({"create"} if is_lease else ()).intersection(rule["verbs"])
        assert "secrets" not in rule["resources"] and "*" not in rule["resources"]
    assert pod_of(objects)["serviceAccountName"] == account[3]


@each_overlay
def test_what_it_may_write_is_leases_of_its_own_namespace(overlay: Path) -> None:
    objects = expand(overlay)
    account = identity(one_of(objects, "ServiceAccount"))
    roles = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Role"}
    assert len(roles) == (overlay.name != "network")
    for binding in [one for one in objects if one["kind"] == "RoleBinding"]:
        (subject,) = binding["subjects"]
        assert ("v1", subject["kind"], subject["namespace"], subject["name"]) == account
        (rule,) = roles.pop(binding["roleRef"]["name"])["rules"]
        assert (rule["apiGroups"], rule["resources"]) == (["coordination.k8s.io"], ["leases"])
    assert not roles


@each_overlay
def test_the_agent_is_not_privileged(overlay: Path) -> None:
    pod = pod_of(expand(overlay))
    for one in containers(pod):
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"] and context["capabilities"]["drop"] == ["ALL"]
        assert not context.get("privileged")
    (install,), (agent,) = pod["initContainers"], pod["containers"]
    assert "add" not in install["securityContext"]["capabilities"]
    added = set(agent["securityContext"]["capabilities"]["add"])
    assert added - {"NET_BIND_SERVICE"} == {"NET_ADMIN", "NET_RAW", "SYS_ADMIN"}
    assert ("NET_BIND_SERVICE" in added) == (overlay.name == "all"), "port 53 is the only one below 1024"
    assert not pod.get("hostPID") and not pod.get("hostIPC")


@each_overlay
def test_the_pod_comes_first_and_everywhere(overlay: Path) -> None:
    pod = pod_of(expand(overlay))
    assert pod["priorityClassName"] == "system-node-critical" and pod["hostNetwork"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}


@each_overlay
def test_the_configuration_is_one_that_we_accept(overlay: Path, tmp_path: Path) -> None:
    data = one_of(expand(overlay), "ConfigMap")["data"]
    (tmp_path / "agent.toml").write_text(data["agent.toml"])
    settings = read_settings(tmp_path / "agent.toml")
    assert settings.overlay.registry == "kubernetes" and settings != Settings()
    conf, remarks = parse_net_conf(data["net-conf.json"], "net-conf.json")
    assert not remarks.warnings and not remarks.unknown
    assert [str(one) for one in conf.networks] == ["10.244.0.0/16"]
    (name,) = [name for name in data if name.endswith(".conflist")]
    chain = parse_network_list(data[name].encode(), name)
    assert {one.type for one in chain.plugins} <= set(PLUGIN_TYPES)
    assert json.loads(data[name])["plugins"][0]["type"] == "overlay"


@each_overlay
def test_sections_are_those_that_the_overlay_is_named_for(overlay: Path) -> None:
    sections = tomllib.loads(one_of(expand(overlay), "ConfigMap")["data"]["agent.toml"])
    wanted = {"network": set(), "network-and-proxy": {"proxy"}, "all": {"proxy", "dns"}}[overlay.name]
    assert sections.keys() == {"overlay", "metrics"} | wanted


@pytest.mark.parametrize("name", ["network-and-proxy", "all"])
def test_probes_ask_where_the_proxy_answers(name: str) -> None:
    objects = expand(FOLDER / name)
    sections = tomllib.loads(one_of(objects, "ConfigMap")["data"]["agent.toml"])
    _, port = split_listen(sections["proxy"]["healthz"])
    (agent,) = pod_of(objects)["containers"]
    assert agent["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port}
    assert agent["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": port}
    assert "exec" not in agent["livenessProbe"]


def test_the_dns_address_is_the_tenth_of_the_services() -> None:
    objects = expand(FOLDER / "all")
    sections = tomllib.loads(one_of(objects, "ConfigMap")["data"]["agent.toml"])
    address = one_of(objects, "Service", "kube-dns")["spec"]["clusterIP"]
    assert address == str(ip_network(sections["proxy"]["service_cidrs"][0])[10])
    assert sections["dns"]["addresses"] == [address]
