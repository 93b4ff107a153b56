"""Requirements on a runtime (CNI 1.1.0 sections 1 to 3), each judged by what recording plugins were told."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cni_spec.errors import INCOMPATIBLE_VERSION, INTERFACE_EXISTS, UNKNOWN_CONTAINER, CniError
from cni_spec.network_list import NetworkList
from pod_runner.cni.derive import Target
from pod_runner.cni.locks import OperationLocks
from tests.pod_runner.cni.conftest import World


def _unconfigured() -> NetworkList:
    raise CniError(7, "there is no such network")


def _configured(network: NetworkList) -> Callable[[], NetworkList]:
    return lambda: network


# ---- ADD


def test_add_runs_all_plugins_in_order_in_the_runtimes_own_namespace(world: World, target: Target) -> None:
    world.runtime.add(world.network("a", "b", "c"), target)

    assert world.said() == ["a ADD", "b ADD", "c ADD"]
    assert {call.netns for call in world.calls()} == {Path("/proc/thread-self/ns/net").stat().st_ino}


def test_add_hands_each_plugin_the_result_of_the_one_before(world: World, target: Target) -> None:
    result = world.runtime.add(world.network("a", "b", "c"), target)

    previous = [call.body.get("prevResult") for call in world.calls()]
    assert previous[0] is None
    assert [len(body["ips"]) for body in previous[1:]] == [1, 2]  # type: ignore[index]
    assert len(result["ips"]) == 3  # type: ignore[arg-type]


def test_a_prev_result_in_the_file_is_not_handed_to_the_first_plugin(world: World, target: Target) -> None:
    world.plugin("a")
    world.runtime.add(world.network(plugins=[{"type": "a", "prevResult": {"ips": []}}]), target)

    assert "prevResult" not in world.calls()[0].body


def test_name_and_version_are_inserted_and_unknown_keys_go_through(world: World, target: Target) -> None:
    world.plugin("a")
    own = {"type": "a", "x": {"y": [1, None]}, "Name": "other", "CNIVersion": "0.1.0", "cni.dev/z": 1}
    world.runtime.add(world.network(plugins=[own], version="1.0.0"), target)

    body = world.calls()[0].body
    assert body == {"type": "a", "x": {"y": [1, None]}, "name": "net1", "cniVersion": "1.0.0"}


def test_capabilities_are_what_both_sides_name_and_are_stripped(world: World, target: Target) -> None:
    world.plugin("a")
    world.plugin("b")
    plugins = [
        {"type": "a", "capabilities": {"mac": True, "ips": False, "bandwidth": True}},
        {"type": "b", "runtimeConfig": {"own": 1}},
    ]
    supplied = {"mac": "02:00:00:00:00:01", "ips": ["10.0.0.1"], "other": 1}
    world.runtime.add(world.network(plugins=plugins), replace(target, capability_args=supplied))

    first, second = (call.body for call in world.calls())
    assert first["runtimeConfig"] == {"mac": "02:00:00:00:00:01"} and "capabilities" not in first
    assert second["runtimeConfig"] == {"own": 1}


def test_the_environment_tells_the_call_and_nothing_of_ours(
    world: World, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNI_IFNAME", "leaked0")
    world.runtime.add(world.network("a"), replace(target, args=(("IgnoreUnknown", "1"), ("X", "y"))))
    world.runtime.status(world.network("a"))

    added, asked = (call.env for call in world.calls())
    assert {key: value for key, value in added.items() if key.startswith("CNI_")} == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/c1",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "IgnoreUnknown=1;X=y",
        "CNI_PATH": str(world.bin),
    }
    assert {key for key in asked if key.startswith("CNI_")} == {"CNI_COMMAND", "CNI_PATH"}
    assert added["PATH"] == os.environ["PATH"]


def test_add_stops_at_the_first_error_and_takes_back_what_it_did(world: World, target: Target) -> None:
    network = world.network("a", "b", "c")
    world.fail("b", "ADD", 11, "busy")

    with pytest.raises(CniError, match=r'plugin type="b" failed \(add\): busy') as caught:
        world.runtime.add(network, target)

    assert caught.value.code == 11
    assert world.said() == ["a ADD", "b ADD", "b DEL", "a DEL"]
    assert world.cache.read("net1", target) is None


def test_a_failing_undo_is_a_note_on_the_cause(world: World, target: Target) -> None:
    network = world.network("a", "b")
    world.fail("b", "ADD", 11, "busy")
    world.fail("a", "DEL", 12, "stuck")

    with pytest.raises(CniError, match="busy") as caught:
        world.runtime.add(network, target)
    assert caught.value.__notes__ == ['taking it back: plugin type="a" failed (del): stuck']


def test_a_missing_plugin_is_an_error_and_the_others_are_taken_back(world: World, target: Target) -> None:
    network = world.network("a", "gone")
    (world.bin / "gone").unlink()

    with pytest.raises(CniError, match='failed to find plugin "gone" in path'):
        world.runtime.add(network, target)
    assert world.said() == ["a ADD", "a DEL"]


def test_a_cache_that_cannot_be_written_fails_the_add_and_leaves_nothing(
    world: World, target: Target
) -> None:
    (world.root / "cache").mkdir()
    (world.root / "cache" / "results").write_text("no directory")

    with pytest.raises(CniError, match="results"):
        world.runtime.add(world.network("a"), target)
    assert world.said()[-1:] != ["a ADD"]


def test_add_is_not_repeated_without_a_del(world: World, target: Target) -> None:
    network = world.network("a")
    world.runtime.add(network, target)

    with pytest.raises(CniError, match="was added before") as caught:
        world.runtime.add(network, target)
    assert caught.value.code == INTERFACE_EXISTS
    world.runtime.delete("net1", target, _unconfigured)
    world.runtime.add(network, target)
    assert world.said() == ["a ADD", "a DEL", "a ADD"]


@pytest.mark.parametrize(
    "change",
    [{"container_id": "../c1"}, {"container_id": ""}, {"ifname": "a/b"}, {"ifname": "x" * 16}, {"netns": ""}],
)
def test_names_are_checked_before_anything_runs(world: World, target: Target, change: dict[str, str]) -> None:
    with pytest.raises(CniError, match="expected"):
        world.runtime.add(world.network("a"), replace(target, **change))  # type: ignore[arg-type]
    assert world.said() == []


def test_ids_longer_than_a_file_name_work(world: World, target: Target) -> None:
    long = replace(target, container_id="f" * 1000)
    world.runtime.add(world.network("a"), long)
    world.runtime.delete("net1", long, _unconfigured)

    assert world.said() == ["a ADD", "a DEL"] and world.cache.attachments() == []


@pytest.mark.parametrize("version", ["0.1.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_results_are_kept_in_the_networks_version(world: World, target: Target, version: str) -> None:
    answer = {"stdout": json.dumps({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.9/24"}]})}
    world.plugin("a", ADD=answer)

    result = world.runtime.add(world.network("a", version=version), target)

    assert result["cniVersion"] == version
    assert ("ip4" in result) == (version < "0.3.0")


@pytest.mark.parametrize("index", [-1, None])
def test_results_without_interfaces_or_with_index_minus_one_are_handled(
    world: World, target: Target, index: int | None
) -> None:
    said = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.9/24", "interface": index}], "foreign": 1}
    world.plugin("a", ADD={"stdout": json.dumps(said)})

    assert world.runtime.add(world.network("a", "b"), target)["cniVersion"] == "1.1.0"
    assert world.calls()[1].body["prevResult"] == said


# ---- CHECK


def test_check_gives_every_plugin_the_final_result_and_the_parameters_of_add(
    world: World, target: Target
) -> None:
    asked = replace(target, args=(("IgnoreUnknown", "1"),), capability_args={"mac": "02:00:00:00:00:01"})
    world.plugin("a")
    world.plugin("b")
    plugins = [{"type": "a", "capabilities": {"mac": True}}, {"type": "b"}]
    final = world.runtime.add(world.network(plugins=plugins), asked)
    added = world.calls()
    world.forget()

    world.runtime.check("net1", replace(target, netns=""), _configured(world.network("c")))

    checked = world.calls()
    assert world.said() == ["a CHECK", "b CHECK"]
    for before, now in zip(added, checked, strict=True):
        assert now.body == {**before.body, "prevResult": final}
        assert now.env == before.env | {"CNI_COMMAND": "CHECK"}


def test_check_stops_at_the_first_error(world: World, target: Target) -> None:
    network = world.network("a", "b")
    world.runtime.add(network, target)
    world.fail("a", "CHECK", 102, "eth0 is gone")

    with pytest.raises(CniError, match="eth0 is gone"):
        world.runtime.check("net1", target, _configured(network))
    assert "b CHECK" not in world.said()


@pytest.mark.parametrize("is_deleted", [False, True])
def test_check_is_never_run_without_an_add(world: World, target: Target, is_deleted: bool) -> None:
    network = world.network("a")
    if is_deleted:
        world.runtime.add(network, target)
        world.runtime.delete("net1", target, _configured(network))

    with pytest.raises(CniError, match="was not added") as caught:
        world.runtime.check("net1", target, _configured(network))
    assert caught.value.code == UNKNOWN_CONTAINER
    assert "a CHECK" not in world.said()


def test_check_with_disable_check_succeeds_and_asks_nobody(world: World, target: Target) -> None:
    network = world.network("a", disableCheck="true")
    world.runtime.add(network, target)
    world.runtime.check("net1", target, _configured(network))

    assert world.said() == ["a ADD"]
    assert "disableCheck" in world.runtime.remarks[0]


def test_check_does_not_exist_before_0_4_0(world: World, target: Target) -> None:
    network = world.network("a", version="0.3.1")
    world.runtime.add(network, target)

    with pytest.raises(CniError, match="has no CHECK") as caught:
        world.runtime.check("net1", target, _configured(network))
    assert caught.value.code == INCOMPATIBLE_VERSION


# ---- DEL


def test_del_runs_in_reverse_with_the_final_result_and_forgets(world: World, target: Target) -> None:
    network = world.network("a", "b", "c")
    final = world.runtime.add(network, target)
    world.forget()

    world.runtime.delete("net1", target, _configured(network))

    assert world.said() == ["c DEL", "b DEL", "a DEL"]
    assert [call.body["prevResult"] for call in world.calls()] == [final] * 3
    assert world.cache.attachments() == []


def test_del_below_0_4_0_has_no_prev_result(world: World, target: Target) -> None:
    world.runtime.add(world.network("a", version="0.3.1"), target)
    world.runtime.delete("net1", target, _unconfigured)

    assert "prevResult" not in world.calls()[1].body


def test_del_stops_at_the_first_error_and_keeps_the_cache(world: World, target: Target) -> None:
    network = world.network("a", "b")
    world.runtime.add(network, target)
    world.fail("b", "DEL")

    with pytest.raises(CniError):
        world.runtime.delete("net1", target, _configured(network))
    assert "a DEL" not in world.said() and world.cache.read("net1", target) is not None

    world.plugin("b")
    world.runtime.delete("net1", target, _configured(network))
    assert world.said()[-2:] == ["b DEL", "a DEL"] and world.cache.read("net1", target) is None


def test_del_without_an_add_still_asks_the_plugins(world: World, target: Target) -> None:
    world.runtime.delete("net1", target, _configured(world.network("a", "b")))

    assert world.said() == ["b DEL", "a DEL"]
    assert all("prevResult" not in call.body for call in world.calls())


def test_del_uses_the_list_of_the_add_when_the_file_has_changed_or_gone(world: World, target: Target) -> None:
    world.runtime.add(world.network("a", "b"), target)
    world.runtime.delete("net1", target, _configured(world.network("c")))
    assert world.said() == ["a ADD", "b ADD", "b DEL", "a DEL"]

    world.runtime.add(world.network("a"), target)
    world.runtime.delete("net1", target, _unconfigured)
    assert world.said()[-1] == "a DEL"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"kind": "other"}', b"[]", b'{"kind":"cniCacheV1"}']
)
def test_del_tolerates_a_corrupt_cache(world: World, target: Target, content: bytes) -> None:
    network = world.network("a")
    world.runtime.add(network, target)
    world.cache.path("net1", target).write_bytes(content)

    world.runtime.delete("net1", target, _configured(network))

    assert world.said() == ["a ADD", "a DEL"] and not world.cache.path("net1", target).exists()
    assert world.runtime.remarks


# ---- GC and STATUS


def _attach(world: World, network: NetworkList, *container_ids: str) -> None:
    for container_id in container_ids:
        world.runtime.add(network, Target(container_id, f"/run/netns/{container_id}", "eth0"))
    world.forget()


def test_gc_deletes_stale_attachments_in_full_then_asks_every_plugin(world: World) -> None:
    network = world.network("a", "b")
    _attach(world, network, "c1", "c2")

    world.runtime.gc(network, {("c2", "eth0")})

    assert world.said() == ["b DEL", "a DEL", "a GC", "b GC"]
    assert {call.env.get("CNI_CONTAINERID") for call in world.calls()[:2]} == {"c1"}
    assert [cached.target.container_id for cached in world.cache.attachments()] == ["c2"]
    for call in world.calls()[2:]:
        valid = [{"containerID": "c2", "ifname": "eth0"}]
        assert call.body["cni.dev/valid-attachments"] == call.body["cni.dev/attachments"] == valid


def test_gc_goes_on_after_errors_and_tells_all_of_them(world: World) -> None:
    network = world.network("a", "b")
    _attach(world, network, "c1", "c2")
    world.fail("b", "DEL", msg="stuck")
    world.plugin("a", GC={"status": 1, "stdout": json.dumps({"code": 100, "msg": "full"})})

    with pytest.raises(ExceptionGroup) as caught:
        world.runtime.gc(network, set())

    assert [str(error).rpartition(": ")[2] for error in caught.value.exceptions] == ["stuck", "stuck", "full"]
    assert world.said() == ["b DEL", "b DEL", "a GC", "b GC"]
    assert len(world.cache.attachments()) == 2


def test_gc_leaves_other_networks_alone(world: World, target: Target) -> None:
    other = replace(world.network("a"), name="net2")
    world.runtime.add(other, target)

    world.runtime.gc(world.network("a"), set())

    assert [cached.network for cached in world.cache.attachments()] == ["net2"]


def test_gc_with_disable_gc_does_nothing(world: World) -> None:
    network = world.network("a", disableGC=True)
    _attach(world, network, "c1")
    world.runtime.gc(network, set())

    assert world.said() == [] and len(world.cache.attachments()) == 1


def test_gc_below_1_1_0_deletes_but_asks_nobody(world: World) -> None:
    network = world.network("a", version="1.0.0")
    _attach(world, network, "c1")
    world.runtime.gc(network, set())

    assert world.said() == ["a DEL"]


def test_status_asks_in_order_and_stops_at_the_first_error(world: World) -> None:
    network = world.network("a", "b", "c")
    world.fail("b", "STATUS", 50, "no addresses")

    with pytest.raises(CniError, match="no addresses") as caught:
        world.runtime.status(network)
    assert caught.value.code == 50 and world.said() == ["a STATUS", "b STATUS"]


def test_status_below_1_1_0_is_fine(world: World) -> None:
    world.runtime.status(world.network("a", version="1.0.0"))
    assert world.said() == []


# ---- order, timings


def test_each_execution_is_timed_and_the_failing_one_named(world: World, target: Target) -> None:
    network = world.network("a", "b")
    world.fail("b", "ADD", msg="busy")
    with pytest.raises(CniError):
        world.runtime.add(network, target)

    steps = world.runner.steps
    assert [(step.plugin, step.verb, step.error) for step in steps] == [
        ("a", "ADD", ""),
        ("b", "ADD", 'plugin type="b" failed (add): busy'),
        ("b", "DEL", ""),
        ("a", "DEL", ""),
    ]
    assert all(0 < step.ms < 60_000 for step in steps)


def _begin(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def _has_ended(thread: threading.Thread, seconds: float = 0.3) -> bool:
    thread.join(seconds)
    return not thread.is_alive()


def test_operations_on_one_container_wait_for_each_other(world: World, target: Target) -> None:
    network = world.network("a")
    with OperationLocks(world.root / "cache").attachment("c1"):
        same = _begin(lambda: world.runtime.add(network, replace(target, ifname="eth1")))
        other = _begin(lambda: world.runtime.add(network, replace(target, container_id="c2")))
        assert _has_ended(other, 10) and not _has_ended(same)
        assert [call.env["CNI_CONTAINERID"] for call in world.calls()] == ["c2"]
    assert _has_ended(same, 10)
    assert [call.env["CNI_CONTAINERID"] for call in world.calls()] == ["c2", "c1"]


def test_neither_add_nor_del_runs_while_gc_does(world: World, target: Target) -> None:
    network = world.network("a")
    with OperationLocks(world.root / "cache").collection():
        added = _begin(lambda: world.runtime.add(network, target))
        deleted = _begin(
            lambda: world.runtime.delete("net1", replace(target, container_id="c2"), _configured(network))
        )
        assert not _has_ended(added) and not _has_ended(deleted)
        assert world.said() == []
    assert _has_ended(added, 10) and _has_ended(deleted, 10)


def test_gc_waits_for_operations_that_run(world: World) -> None:
    network = world.network("a")
    with OperationLocks(world.root / "cache").attachment("c1"):
        collected = _begin(lambda: world.runtime.gc(network, set()))
        assert not _has_ended(collected)
        assert world.said() == []
    assert _has_ended(collected, 10) and world.said() == ["a GC"]


def test_locks_of_containers_leave_no_files(world: World, tmp_path: Path) -> None:
    for n in range(5):
        with OperationLocks(tmp_path / "x").attachment(f"c{n}"):
            pass
    assert [path.name for path in (tmp_path / "x" / "podwire-locks").iterdir()] == ["gc"]
