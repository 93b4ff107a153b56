"""overlay: pods get addresses, MTU and routes of the node's lease, as soon as there is one."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from cni_plugins.memory import WAITERS, Memory
from cni_plugins.registry import load_plugin
from cni_plugins.skeleton import answer
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from tests.calls import Json, Plugins, dump, ip_json
from tests.overlay_world import (
    CONFIG,
    DUAL_STACK,
    PTP,
    SUBNET_ENV,
    SUBNET_FILE,
    MakeContainer,
    addresses,
    lease,
    links,
    plugins,
    reaches,
    state_of,
    write_lease,
)

__all__ = ["lease", "plugins"]


def test_a_pod_gets_address_mtu_and_routes_of_the_lease(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    result = plugins.add(CONFIG, one)
    plugins.add(CONFIG, two)
    assert addresses(result) == ["10.244.51.2/24"]
    assert [link["mtu"] for link in ip_json("-n", "one", "link", "show", "eth0")] == [1450]
    assert [link["mtu"] for link in ip_json("link", "show", "cni0")] == [1450]
    routes = {(r["dst"], r.get("gateway")) for r in ip_json("-n", "one", "route")}
    assert routes == {
        ("default", "10.244.51.1"), ("10.244.0.0/16", "10.244.51.1"), ("10.244.51.0/24", None)
    }  # fmt: skip
    assert reaches(one, "10.244.51.3") and reaches(two, "10.244.51.1")
    assert plugins.warnings == []


@pytest.mark.parametrize("config", [CONFIG, PTP], ids=["bridge", "ptp"])
def test_both_families_reach_each_other_and_the_node(
    container: MakeContainer, plugins: Plugins, config: Json
) -> None:
    write_lease(DUAL_STACK)
    one = container("one")
    plugins.add(config, one)
    result = plugins.add(config, container("two"))
    assert addresses(result) == ["10.244.51.3/24", "fd00:244:0:51::3/64"]
    for address in ("10.244.51.3", "fd00:244:0:51::3", "10.244.51.1", "fd00:244:0:51::1"):
        assert reaches(one, address), address
    default = [r["gateway"] for r in ip_json("-n", "one", "route") if r["dst"] == "default"]
    default6 = [r["gateway"] for r in ip_json("-n", "one", "-6", "route") if r["dst"] == "default"]
    assert (default, default6) == (["10.244.51.1"], ["fd00:244:0:51::1"])


@pytest.mark.parametrize("version", ["0.3.1", "1.0.0", "1.1.0"])
def test_the_result_is_the_delegates_in_the_callers_version(
    container: MakeContainer, plugins: Plugins, version: str
) -> None:
    one = container("one")
    result = plugins.add(CONFIG | {"cniVersion": version}, one)
    kept = json.loads(state_of(one).read_text())
    plugins.delete(CONFIG | {"cniVersion": version}, one)
    assert result["cniVersion"] == version
    again = plugins.add(kept, one)
    assert list(again) == list(result) and again["routes"] == result["routes"]
    assert [list(link) for link in again["interfaces"]] == [list(link) for link in result["interfaces"]]


@pytest.mark.parametrize(("said", "rules"), [("true", False), ("false", True)])
def test_who_masquerades_is_the_leases_to_say(
    container: MakeContainer, plugins: Plugins, said: str, rules: bool
) -> None:
    write_lease(SUBNET_ENV.replace("IPMASQ=true", f"IPMASQ={said}"))
    plugins.add(CONFIG, container("one"))
    assert any("10.244.51.2" in line for line in dump() if line.startswith("nft")) == rules


def test_what_the_configuration_says_goes_before_the_lease(
    container: MakeContainer, plugins: Plugins
) -> None:
    delegate = {"type": "bridge", "bridge": "pods", "mtu": 1300, "ipMasq": True, "isGateway": False}
    config = CONFIG | {"delegate": delegate, "ipam": {"routes": [{"dst": "192.0.2.0/24"}]}}
    one = container("one")
    result = plugins.add(config, one)
    kept = json.loads(state_of(one).read_text())
    assert delegate.items() <= kept.items()
    assert [route["dst"] for route in result["routes"]] == ["192.0.2.0/24", "10.244.0.0/16"]
    assert links() == ["pods", next(name for name in links() if name.startswith("veth"))]


def test_further_blocks_are_taken_when_the_first_is_full(container: MakeContainer, plugins: Plugins) -> None:
    small = SUBNET_ENV.replace("51.1/24", "51.1/30") + "PODWIRE_BLOCKS=10.244.60.1/24\n"
    write_lease(small)
    one, two = container("one"), container("two")
    assert addresses(plugins.add(CONFIG, one)) == ["10.244.51.2/30"]
    result = plugins.add(CONFIG, two)
    assert addresses(result) == ["10.244.60.2/24"]
    assert reaches(one, "10.244.60.2") and reaches(two, "10.244.51.2")
    assert plugins.check(CONFIG, two, result) == ""


def test_a_new_lease_does_not_stop_pods_on_a_bridge_of_the_old(
    container: MakeContainer, plugins: Plugins
) -> None:
    one, two = container("one"), container("two")
    old = plugins.add(CONFIG, one)
    write_lease(SUBNET_ENV.replace("10.244.51.1", "10.244.77.1"))
    assert addresses(plugins.add(CONFIG, two)) == ["10.244.77.2/24"]
    assert reaches(one, "10.244.77.2") and reaches(two, "10.244.51.2")
    assert "10.244.51.2 is of no subnet that this node leases now" in plugins.check(CONFIG, one, old)


def test_runtime_config_and_args_reach_the_delegate(container: MakeContainer, plugins: Plugins) -> None:
    runtime = {"runtimeConfig": {"mac": "02:00:00:00:51:09"}, "args": {"cni": {"ips": ["10.244.51.99"]}}}
    one = container("one")
    result = plugins.add(CONFIG | runtime, one)
    assert addresses(result) == ["10.244.51.99/24"]
    assert result["interfaces"][-1]["mac"] == "02:00:00:00:51:09"
    assert plugins.check(CONFIG, one, result) == ""


@pytest.mark.parametrize(
    ("delegate", "said"),
    [
        ({"name": "x"}, "delegate.name"),
        ({"ipam": {}}, "delegate.ipam"),
        ({"Ipam": {}}, "delegate.ipam"),
        ({"type": "flannel"}, "cannot be its own delegate"),
        ({"type": 7}, "delegate.type"),
        ({"type": "../bridge"}, "delegate.type"),
        ({"mtu": "big"}, "mtu"),
        ([], "delegate"),
    ],
)
def test_a_delegate_that_cannot_be_is_refused(
    container: MakeContainer, plugins: Plugins, delegate: object, said: str
) -> None:
    one = container("one")
    before = dump()
    error = plugins.fails("ADD", CONFIG | {"delegate": delegate}, one)
    assert error["code"] == 7 and said in error["msg"], error
    assert dump() == before


@pytest.mark.parametrize("key", ["dataDir", "subnetFile"])
def test_a_path_is_absolute_and_an_empty_one_is_not_given(
    container: MakeContainer, plugins: Plugins, key: str
) -> None:
    one = container("one")
    error = plugins.fails("ADD", CONFIG | {key: "here"}, one)
    assert error["code"] == 7 and f"{key}: expected an absolute path" in error["msg"]
    plugins.add(CONFIG | {key: ""}, one)
    assert state_of(one).exists()


def test_a_second_add_leaves_the_first_alone(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(CONFIG, one)
    before = dump()
    assert plugins.fails("ADD", CONFIG, one)["code"] == 100
    assert dump() == before
    assert plugins.check(CONFIG, one, result) == ""


class Stopping(Kernel):
    """A kernel whose delegates' n-th operation is refused, once."""

    def __init__(self, left: list[int]) -> None:
        super().__init__()
        self.left = left

    def another(self) -> Kernel:
        """Return one that counts on."""
        return Stopping(self.left)

    def apply(self, op: Op) -> Op | None:
        """Apply, until the step is reached."""
        self.left[0] -= 1
        if self.left[0] == -1:
            raise OSError(5, f"fault at: {op}")
        return super().apply(op)


@pytest.mark.parametrize("config", [CONFIG, PTP], ids=["bridge", "ptp"])
def test_a_fault_at_any_step_leaves_everything_as_it_was(
    container: MakeContainer, plugins: Plugins, config: Json
) -> None:
    one = container("one")

    def seen() -> set[str]:
        return {line for line in dump() if "/cbr0/l" not in line and "/.podwire/" not in line}

    before = seen()
    for step in range(60):
        left = [step]
        plugins.kernel = lambda left=left: Stopping(left)  # type: ignore[misc]
        given = plugins.ask("ADD", config, one)
        if given.status == 0:
            assert step > 8
            return
        assert "could not take back" not in given.stdout, given.stdout
        assert seen() == before, given.stdout
    pytest.fail("the ADD never came to its end")


# ---- the lease


def test_without_a_lease_an_add_is_to_be_tried_again(container: MakeContainer, plugins: Plugins) -> None:
    SUBNET_FILE.unlink()
    one = container("one")
    before = dump()
    error = plugins.fails("ADD", CONFIG, one)
    assert error["code"] == 11 and str(SUBNET_FILE) in error["msg"] and "flanneld" in error["msg"]
    assert dump() == before


@pytest.mark.parametrize("folder", [True, False], ids=["in its folder", "with its folder"])
def test_an_add_waits_for_the_lease(container: MakeContainer, plugins: Plugins, folder: bool) -> None:
    file = Path("/run/podwire/overlay/subnet.env")
    if folder:
        file.parent.mkdir(parents=True)
    one, found = container("one"), []
    config = CONFIG | {"waitTimeout": 30, "subnetFile": str(file)}
    ready = threading.Event()

    def attach() -> None:
        ready.set()
        found.append(plugins.add(config, one))

    # a thread begins in the namespace of the one that starts it
    waiting = threading.Thread(target=attach)
    waiting.start()
    assert ready.wait(5)
    assert not found
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SUBNET_ENV[:20])  # a flanneld before 0.28.8 writes piece by piece
    with file.open("a") as rest:
        rest.write(SUBNET_ENV[20:])
    started = time.monotonic()
    waiting.join(30)
    assert addresses(found[0]) == ["10.244.51.2/24"]
    assert time.monotonic() - started < 10


def test_only_some_threads_of_an_agent_wait(container: MakeContainer, plugins: Plugins) -> None:
    SUBNET_FILE.unlink()
    one, memory = container("one"), Memory()
    variables = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "one", "CNI_NETNS": one.netns, "CNI_IFNAME": "eth0",
        "CNI_PATH": plugins.path,
    }  # fmt: skip
    body = json.dumps(CONFIG | {"waitTimeout": 60}).encode()
    with ExitStack() as others:
        assert all(others.enter_context(memory.waiting()) for _ in range(WAITERS))
        started = time.monotonic()
        given = answer(load_plugin("overlay"), variables, body, warn=print, memory=memory)
    memory.close()
    assert given.error is not None and given.error.code == 11
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SUBNET_ENV.replace("10.244.51.1/24", "10.244.51.1/240"), "line 2, FLANNEL_SUBNET"),
        (SUBNET_ENV.replace("10.244.0.0/16", "10.244.0.1/16"), "line 1, FLANNEL_NETWORK"),
        (SUBNET_ENV.replace("1450", "many"), "line 3, FLANNEL_MTU"),
        (SUBNET_ENV.replace("=true", "=yes"), "line 4, FLANNEL_IPMASQ"),
        (SUBNET_ENV + "PODWIRE_BLOCKS=x\n", "line 5, PODWIRE_BLOCKS"),
        (SUBNET_ENV + "nonsense\n", "line 5 is no NAME=VALUE"),
        ("FLANNEL_MTU=1450\n", "FLANNEL_NETWORK"),
        ("", "FLANNEL_MTU"),
        ("\0\udc80", "subnet.env"),
    ],
)
def test_a_broken_lease_is_named_with_its_line(
    container: MakeContainer, plugins: Plugins, text: str, said: str
) -> None:
    SUBNET_FILE.write_bytes(text.encode("utf-8", "surrogateescape"))
    error = plugins.fails("ADD", CONFIG, container("one"))
    assert error["code"] == 7 and said in error["msg"] and str(SUBNET_FILE) in error["msg"]
    status = plugins.fails("STATUS", CONFIG, None)
    assert status["code"] == 50 and said in status["msg"]
