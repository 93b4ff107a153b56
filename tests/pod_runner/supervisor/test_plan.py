"""A Pod becomes a sandbox and containers: variables, programs, limits, what may be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pod_runner.container.spec import DEFAULT_CAPABILITIES, ContainerError, Network, RootFs
from pod_runner.images.image import Image
from pod_runner.images.users import Ids
from pod_runner.manifests.container import Container
from pod_runner.manifests.pod import Pod
from pod_runner.supervisor.environment import command_line, environment, expand
from pod_runner.supervisor.fields import Facts, field_of
from pod_runner.supervisor.limits import container_resources, pod_resources, weight
from pod_runner.supervisor.order import NodePlaces, PodOrder, read_order
from pod_runner.supervisor.plan import Found, container_spec, oom_score_adj, outside_ids, sandbox_spec
from pod_runner.supervisor.security import security_of

IMAGE = Image("x", (), entrypoint=("/entry", "-e"), cmd=("cmd",), env={"PATH": "/bin", "A": "image"})
METADATA = {
    "name": "web",
    "namespace": "shop",
    "uid": "u-1",
    "labels": {"app": "a"},
    "annotations": {"x": 'a"\n'},
}


def pod_of(spec: dict[str, Any] | None = None, **container: Any) -> Pod:
    """Return a pod of one container."""
    containers = {"containers": [{"name": "main", "image": "x", **container}]}
    return Pod.model_validate({"metadata": METADATA, "spec": {**containers, **(spec or {})}})


def container_of(**members: Any) -> Container:
    """Return a container."""
    return pod_of(**members).spec.containers[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$$$(A)", "$1"), ("$(A", "$(A"), ("$A", "$A"),
        ("$$$$(A)", "$$(A)"), ("a$(A)b$(A)", "a1b1"), ("$", "$"), ("$()", "$()"), ("$$", "$"),
    ],
)  # fmt: skip
def test_references_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


@pytest.mark.parametrize(
    ("members", "argv"),
    [
        ({}, ("/entry", "-e", "cmd")),
        ({"args": ["x"]}, ("/entry", "-e", "x")),
        ({"command": ["/c"]}, ("/c",)),
        ({"command": ["/c"], "args": ["$(A)"]}, ("/c", "1")),
    ],
)
def test_command_and_arguments_replace_the_images(members: dict[str, Any], argv: tuple[str, ...]) -> None:
    assert command_line(container_of(**members), IMAGE, {"A": "1"}) == argv


def test_no_program_at_all_is_refused() -> None:
    with pytest.raises(ContainerError, match="names no program"):
        command_line(container_of(), Image("empty", ()), {})


def test_variables_come_from_everywhere_and_later_ones_count() -> None:
    container = container_of(
        envFrom=[
            {"prefix": "P_", "configMapRef": {"name": "all"}},
            {"configMapRef": {"name": "no", "optional": True}},
        ],
        env=[
            {"name": "A", "value": "own"},
            {"name": "B", "value": "$(A) $(LATER) $(WEB_SERVICE_HOST)"},
            {"name": "LATER", "valueFrom": {"configMapKeyRef": {"name": "all", "key": "k"}}},
            {
                "name": "NONE",
                "valueFrom": {"configMapKeyRef": {"name": "all", "key": "no", "optional": True}},
            },
            {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "CORES", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        ],
    )
    env = environment(
        container, IMAGE, Facts(pod_of(), "web", cores=2), {"all": {"k": "v", "bad=key": "x", "nul": "\0"}},
        {"WEB_SERVICE_HOST": "10.0.0.1"},
    )  # fmt: skip
    assert env == {
        "PATH": "/bin", "HOSTNAME": "web", "WEB_SERVICE_HOST": "10.0.0.1", "P_k": "v", "A": "own",
        "B": "own $(LATER) 10.0.0.1", "LATER": "v", "UID": "u-1", "CORES": "2000",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels['app']", "a"), ("metadata.annotations['x']", 'a"\n'),
        ("metadata.labels", 'app="a"'), ("metadata.annotations", 'x="a\\"\\n"'),
        ("status.podIPs", "10.0.0.2,fd00::2"), ("spec.nodeName", "node1"),
        ("status.hostIP", "192.0.2.1"),
    ],
)  # fmt: skip
def test_fields_are_read(path: str, value: str) -> None:
    facts = Facts(pod_of(), "web", ("10.0.0.2", "fd00::2"), "192.0.2.1", "node1")
    assert field_of(facts, path) == value


def test_unknown_sources_are_named() -> None:
    with pytest.raises(ContainerError, match=r"spec\.secret"):
        field_of(Facts(pod_of(), "web"), "spec.secret")
    missing = container_of(envFrom=[{"configMapRef": {"name": "gone"}}])
    with pytest.raises(ContainerError, match='configmap "gone" not found'):
        environment(missing, IMAGE, Facts(pod_of(), "web"), {}, {})


@pytest.mark.parametrize(
    ("cores", "expected"), [(0, 1), (0.001, 1), (0.5, 20), (1, 39), (256, 10_000), (9999, 10_000)]
)
def test_requests_are_weights(cores: float, expected: int) -> None:
    assert weight(cores) == expected


def test_limits_of_a_container_and_of_its_pod() -> None:
    limited = container_of(
        resources={"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}
    )
    free = container_of()
    one = container_resources(limited)
    assert (one.cpu_quota, one.memory_limit, one.memory_swap, one.cpu_weight) == (
        0.5,
        64 << 20,
        0,
        weight(0.25),
    )
    both = pod_resources([limited, limited])
    assert (both.cpu_quota, both.memory_limit, both.cpu_weight) == (1.0, 128 << 20, weight(0.5))
    mixed = pod_resources([limited, free])
    assert (mixed.cpu_quota, mixed.memory_limit) == (None, None)
    larger = container_of(resources={"limits": {"cpu": "2", "memory": "32Mi"}})
    assert pod_resources([limited], [larger]).cpu_quota == 2.0
    assert pod_resources([limited], [larger]).memory_limit == 64 << 20


@pytest.mark.parametrize(
    ("resources", "score"),
    [
        ({}, 1000),
        ({"requests": {"cpu": "1"}}, 500),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, -997),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, 500),
    ],
)
def test_who_asked_for_more_is_killed_later(resources: dict[str, Any], score: int) -> None:
    assert oom_score_adj(container_of(resources=resources)) == score


def test_security_is_the_containers_before_the_pods() -> None:
    pod = pod_of(
        {"securityContext": {"runAsUser": 7, "runAsGroup": 8, "fsGroup": 9, "supplementalGroups": [3]}},
        securityContext={
            "runAsUser": 70, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "CAP_CHOWN"]},
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"},
        },
    )  # fmt: skip
    found = security_of(pod.spec.containers[0], pod.spec, Ids(1, 1, (2,)))
    assert (found.uid, found.gid, found.groups) == (70, 8, (3, 9))
    assert found.capabilities == {"NET_ADMIN", "CHOWN"}
    assert found.read_only_root and found.no_new_privileges
    assert found.seccomp == "/etc/podwire/seccomp/p.json"


def test_security_by_default_is_runcs() -> None:
    pod = pod_of()
    found = security_of(pod.spec.containers[0], pod.spec, Ids(33, 34, (35,)))
    assert (found.uid, found.gid, found.groups) == (33, 34, (35,))
    assert found.capabilities == DEFAULT_CAPABILITIES
    assert (found.seccomp, found.no_new_privileges, found.privileged) == ("RuntimeDefault", True, False)


def test_privileged_is_all_of_it() -> None:
    pod = pod_of(securityContext={"privileged": True})
    found = security_of(pod.spec.containers[0], pod.spec, Ids())
    assert "SYS_ADMIN" in found.capabilities and found.seccomp == "Unconfined" and not found.no_new_privileges


def test_root_is_refused_where_nobody_wants_it() -> None:
    pod = pod_of({"securityContext": {"runAsNonRoot": True}})
    with pytest.raises(ContainerError, match="will run as root"):
        security_of(pod.spec.containers[0], pod.spec, Ids())
    assert security_of(pod.spec.containers[0], pod.spec, Ids(5)).uid == 5


def test_a_sandbox_is_what_the_pod_says() -> None:
    pod = pod_of({
        "hostUsers": False, "shareProcessNamespace": True,
        "securityContext": {"sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}]},
    })  # fmt: skip
    order = PodOrder({"metadata": METADATA, "spec": {}}, NodePlaces(cgroup_parent="/p"))
    spec = sandbox_spec(order, pod, "web")
    assert (spec.cgroup, spec.hostname, spec.network, spec.share_pid) == (
        "/p/podu-1",
        "web",
        Network.CNI,
        True,
    )
    assert spec.sysctls == {"net.ipv4.ip_forward": "1"}
    uid, gid = outside_ids(spec, 33, 0)
    assert uid == gid + 33 and gid % 65536 == 0 and gid >= 1 << 20
    assert sandbox_spec(order, pod_of({"hostNetwork": True}), "web").network is Network.HOST


def test_a_container_is_what_was_found_for_it() -> None:
    pod = pod_of(workingDir="/w", tty=True)
    root = RootFs((Path("/"),), None, None)
    image = Image("x", (), cmd=("/run",), cwd="/i", stop_signal=3)
    spec = container_spec(pod, pod.spec.containers[0], Found(image, Ids(), root, (), {"A": "b"}))
    assert (spec.argv, spec.cwd, spec.terminal, spec.stop_signal) == (("/run",), "/w", True, 3)


def test_an_order_is_read_as_it_was_written() -> None:
    order = PodOrder({"metadata": METADATA}, NodePlaces(cni_path=("/a", "/b")), {"m": {"k": "v"}}, {"A": "b"})
    assert read_order(order.to_json()) == order
