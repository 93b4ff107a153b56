"""Commands that change a cluster, from `podwire apply` to `drain`: what a store has then."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
import yaml

from cluster_store.store import Snapshot
from pod_runner.cluster.bodies import JsonObject, is_true, member, number, table, text, with_member, words
from pod_runner.cluster.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD, SERVICE
from pod_runner.cluster.store import ClusterStore
from pod_runner.controllers.templates import REVISION
from tests.cli.cluster.bodies_of import pod, true
from tests.cli.cluster.conftest import Podwire, write
from tests.cli.cluster.test_merging import MANIFEST

CONFIG: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}
SHOP: JsonObject = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.yaml"


def everything(cluster: ClusterStore) -> Snapshot:
    return cluster.store.list("/")


def fill(file: Path, *objects: JsonObject) -> Path:
    file.write_text(yaml.safe_dump_all(objects))
    return file


def test_created_then_unchanged_then_configured(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    assert podwire("apply", "-f", fill(file, CONFIG)).stdout == "configmap/c created\n"
    before = everything(cluster)
    assert podwire("apply", "-f", file).stdout == "configmap/c unchanged\n"
    assert everything(cluster) == before
    fill(file, {**CONFIG, "data": {"other": "w"}})
    assert podwire("apply", "-f", file, "--dry-run").stdout == "configmap/c configured (dry run)\n"
    assert everything(cluster) == before
    assert podwire("apply", "-f", file).stdout == "configmap/c configured\n"
    found = cluster.get(CONFIG_MAP, "default", "c")
    assert found is not None and found.body["data"] == {"other": "w"}


def test_a_namespace_comes_before_what_lives_in_it(
    podwire: Podwire, cluster: ClusterStore, file: Path
) -> None:
    inside = with_member(CONFIG, "shop", "metadata", "namespace")
    assert podwire("apply", "-f", fill(file, inside, SHOP)).exit_code == 0
    assert cluster.get(CONFIG_MAP, "shop", "c") is not None


def test_what_get_prints_can_be_applied(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))
    file.write_text(podwire("get", "deploy", "web", "-o", "yaml").stdout)
    assert podwire("apply", "-f", file).stdout == "deployment.apps/web unchanged\n"


def test_nothing_is_done_if_one_object_is_wrong(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    file.write_text(
        yaml.safe_dump(CONFIG)
        + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containres: []\n"
    )
    before = everything(cluster)
    refused = podwire("apply", "-f", file)
    assert refused.exit_code == 1 and "nothing is done" in refused.stderr
    assert f"{file}:12:3: spec.containres" in refused.stderr
    assert everything(cluster) == before


def test_a_namespace_that_is_missing_harms_no_other(
    podwire: Podwire, cluster: ClusterStore, file: Path
) -> None:
    lost = with_member(CONFIG, "nowhere", "metadata", "namespace")
    result = podwire("apply", "-f", fill(file, lost, CONFIG))
    assert result.exit_code == 1 and 'namespaces "nowhere" not found' in result.stderr
    assert cluster.get(CONFIG_MAP, "default", "c") is not None


def test_what_cannot_change_is_named(podwire: Podwire, file: Path) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))
    other = with_member(MANIFEST, {"app": "db"}, "spec", "selector", "matchLabels")
    other = with_member(other, {"app": "db"}, "spec", "template", "metadata", "labels")
    result = podwire("apply", "-f", fill(file, other))
    assert result.exit_code == 1 and "spec.selector: cannot be changed" in result.stderr


def test_stdin_and_a_namespace_of_the_command(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    write(cluster, SHOP)
    assert podwire("apply", "-f", "-", "-n", "shop", env=None).exit_code == 1, "an empty input is no manifest"
    assert podwire("apply", "-f", fill(file, CONFIG), "-n", "shop").exit_code == 0
    assert cluster.get(CONFIG_MAP, "shop", "c") is not None
    here = fill(file, with_member(CONFIG, "default", "metadata", "namespace"))
    assert "--namespace says shop" in podwire("apply", "-f", here, "-n", "shop").stderr


def test_deleted_by_file_by_name_and_by_label(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    podwire("apply", "-f", fill(file, CONFIG))
    assert podwire("delete", "-f", file).stdout == "configmap/c deleted\n"
    gone = podwire("delete", "cm", "c")
    assert gone.exit_code == 1 and 'configmaps "c" not found' in gone.stderr
    labelled = with_member(CONFIG, {"a": "b"}, "metadata", "labels")
    write(cluster, labelled, with_member(CONFIG, "kept", "metadata", "name"))
    assert podwire("delete", "cm").exit_code == 1, "nobody said which"
    assert podwire("delete", "cm", "-l", "a=b").exit_code == 0
    assert [one.name for one in cluster.list(CONFIG_MAP)] == ["kept"]


def test_a_pod_is_waited_for_until_its_node_has_ended_it(
    podwire: Podwire, cluster: ClusterStore, url: str
) -> None:
    write(cluster, pod("a"))
    late = podwire("delete", "pod", "a", "--timeout", "100ms")
    assert late.exit_code == 1 and "waiting for pod/a to be gone" in late.stderr
    found = cluster.get(POD, "default", "a")
    assert found is not None and found.is_terminating
    waiting = Thread(
        target=lambda: results.append(podwire("delete", "pod", "a", "--timeout", "20s").exit_code)
    )
    results: list[int] = []
    waiting.start()
    cluster.remove(found)
    waiting.join()
    assert results in ([0], [1])  # 1: it had gone before it was asked for
    assert cluster.get(POD, "default", "a") is None


def test_force_forgets_at_once(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a"))
    assert podwire("delete", "pod", "a", "--force").stdout == "pod/a force deleted\n"
    assert cluster.list(POD) == []


def test_wait_tells_what_holds_and_what_does_not(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a", conditions=[true("Ready")]), pod("b"))
    assert podwire("wait", "pod/a", "--for", "condition=ready").stdout == "pod/a condition met\n"
    assert podwire("wait", "pod/b", "--for", "jsonpath={.status.phase}=Running").exit_code == 0
    assert podwire("wait", "pod/c", "--for", "delete").stdout == "pod/c deleted\n"
    late = podwire(
        "wait", "pods", "--for", "condition=Ready", "--timeout", "50ms", "--field-selector", "metadata.name=b"
    )
    assert late.exit_code == 1 and "condition=Ready of pod/b" in late.stderr
    assert podwire("wait", "pod/c", "--for", "condition=Ready").exit_code == 1
    assert podwire("wait", "pod/a", "--for", "sunshine").exit_code == 1


def test_scale_changes_replicas_alone(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))
    before = cluster.get(DEPLOYMENT, "default", "web")
    assert podwire("scale", "deploy/web", "--replicas", "4").stdout == "deployment.apps/web scaled\n"
    after = cluster.get(DEPLOYMENT, "default", "web")
    assert before is not None and after is not None
    assert after.spec == {**before.spec, "replicas": 4}
    assert podwire("scale", "deploy/web", "--replicas", "5", "--current-replicas", "3").exit_code == 1
    assert podwire("scale", "svc/web", "--replicas", "5").exit_code == 1


def test_labels_are_set_and_taken(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, pod("a"))
    assert podwire("label", "pod", "a", "tier=front", "zone=x").stdout == "pod/a labeled\n"
    assert podwire("label", "pod/a", "tier=back").exit_code == 1
    assert podwire("label", "pod/a", "tier=back", "zone-", "--overwrite").exit_code == 0
    found = cluster.get(POD, "default", "a")
    assert found is not None and found.labels == {"tier": "back"}
    assert "cannot be a label's value" in podwire("label", "pod/a", "x=a b").stderr


def revision(name: str, number_of: int, template: JsonObject, owner: str) -> JsonObject:
    owners = [{"kind": "Deployment", "name": "web", "uid": owner, "controller": True}]
    hashed = with_member(template, name, "metadata", "labels", "pod-template-hash")
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": "default", "uid": name, "ownerReferences": owners,
            "annotations": {REVISION: str(number_of)},
        },
        "spec": {"replicas": 0, "template": hashed},
    }  # fmt: skip


def test_undo_goes_back_to_the_template_of_before(
    podwire: Podwire, cluster: ClusterStore, file: Path
) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))
    found = cluster.get(DEPLOYMENT, "default", "web")
    assert found is not None
    now = table(found.spec, "template")
    old = with_member(now, [{"name": "web", "image": "old"}], "spec", "containers")
    write(cluster, revision("web-1", 1, old, found.uid), revision("web-2", 2, now, found.uid))
    history = [line.split() for line in podwire("rollout", "history", "web").stdout.splitlines()]
    assert history[1:] == [["REVISION", "CHANGE-CAUSE"], ["1", "<none>"], ["2", "<none>"]]
    assert podwire("rollout", "undo", "deploy/web").stdout == "deployment.apps/web rolled back\n"
    after = cluster.get(DEPLOYMENT, "default", "web")
    assert after is not None and member(after.spec, "template", "spec") == old["spec"]
    assert "pod-template-hash" not in words(after.spec, "template", "metadata", "labels")
    assert podwire("rollout", "undo", "web", "--to-revision", "9").exit_code == 1


def test_pause_resume_restart(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))

    def spec() -> JsonObject:
        found = cluster.get(DEPLOYMENT, "default", "web")
        assert found is not None
        return found.spec

    assert podwire("rollout", "pause", "web").exit_code == 0 and is_true(spec(), "paused")
    assert podwire("rollout", "resume", "web").exit_code == 0 and not is_true(spec(), "paused")
    before = spec()["template"]
    assert podwire("rollout", "restart", "web").exit_code == 0 and spec()["template"] != before


def test_rollout_status_follows_to_the_end(podwire: Podwire, cluster: ClusterStore, file: Path) -> None:
    podwire("apply", "-f", fill(file, MANIFEST))
    late = podwire("rollout", "status", "web", "--timeout", "50ms")
    assert late.exit_code == 1 and "to be observed" in late.stdout
    done = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    cluster.change(DEPLOYMENT, "default", "web", lambda body: {**body, "status": done})
    assert podwire("rollout", "status", "web").stdout == 'deployment "web" successfully rolled out\n'


def test_cordon_and_drain(podwire: Podwire, cluster: ClusterStore) -> None:
    write(cluster, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}})
    write(cluster, pod("a"), with_member(pod("b"), "node2", "spec", "nodeName"))
    assert podwire("cordon", "node1").stdout == "node/node1 cordoned\n"
    assert podwire("cordon", "node1").stdout == "node/node1 already cordoned\n"
    assert "SchedulingDisabled" in podwire("get", "nodes").stdout
    refused = podwire("drain", "node1")
    assert refused.exit_code == 1 and "nobody would make these pods anew: a" in refused.stderr
    assert podwire("drain", "node1", "--force", "--grace-period", "0").exit_code == 0
    assert [one.name for one in cluster.list(POD)] == ["b"]
    podwire("uncordon", "node1")
    found = cluster.get(NODE, "", "node1")
    assert found is not None and not is_true(found.spec, "unschedulable")


def test_a_services_object_is_what_the_proxy_reads(
    podwire: Podwire, cluster: ClusterStore, file: Path
) -> None:
    body: JsonObject = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }  # fmt: skip
    podwire("apply", "-f", fill(file, body))
    found = cluster.get(SERVICE, "default", "web")
    assert found is not None and text(found.spec, "type") == "ClusterIP"
    assert number(found.body, "metadata", "generation") == 1


def test_run_without_watching_makes_a_pod(podwire: Podwire, cluster: ClusterStore) -> None:
    assert (
        podwire("run", "one", "-e", "A=b", "--port", "80", "--", "sleep", "9").stdout == "pod/one created\n"
    )
    found = cluster.get(POD, "default", "one")
    assert found is not None and text(found.spec, "restartPolicy") == "Always"
    again = podwire("run", "one", "--", "sleep", "9")
    assert again.exit_code == 1 and 'pods "one" already exists' in again.stderr
    assert "metadata.name" in podwire("run", "No Name", "--", "true").stderr
    dry = yaml.safe_load(
        podwire("run", "two", "--dry-run", "-o", "yaml", "--image", "nginx:1", "--", "-x").stdout
    )
    assert dry["spec"]["containers"] == [{"name": "two", "image": "nginx:1", "args": ["-x"]}]
    assert [one.name for one in cluster.list(POD)] == ["one"]
