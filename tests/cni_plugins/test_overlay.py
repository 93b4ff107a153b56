"""overlay: pods on this node's subnets; flannel's configurations, files and pods are understood."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from cni_plugins.memory import WAITERS, Memory
from cni_plugins.registry import load_plugin
from cni_plugins.skeleton import answer
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from tests.calls import REFERENCE_PLUGINS, Container, Json, Plugins, dump, ip_json, run
from tests.ways import FOLDER

MakeContainer = Callable[..., Container]

GOLDEN = Path("/work/shared/golden/flannel/i_cni_plugin")
SUBNET_FILE = Path("/run/flannel/subnet.env")
DATA_DIR = Path("/var/lib/cni/flannel")
SUBNET_ENV = """FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.51.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""
DUAL_STACK = SUBNET_ENV + "FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:51::1/64\n"
CONFIG: Json = {
    "cniVersion": "1.1.0",
    "name": "cbr0",
    "type": "overlay",
    "waitTimeout": 0,
    "delegate": {"hairpinMode": True, "isDefaultGateway": True},
}
PTP = CONFIG | {"delegate": {"type": "ptp", "isDefaultGateway": True}}
FLANNELS_STATE: Json = {  # what flannel v1.9.1-flannel1 wrote for the same, recorded
    "cniVersion": "1.0.0", "hairpinMode": True, "ipMasq": False, "isDefaultGateway": True, "isGateway": True,
    "ipam": {"ranges": [[{"subnet": "10.244.51.0/24"}]], "routes": [{"dst": "10.244.0.0/16"}],
             "type": "host-local"},
    "mtu": 1450, "name": "cbr0", "type": "bridge",
}  # fmt: skip
needs_reference = pytest.mark.skipif(
    not (REFERENCE_PLUGINS / "bridge").exists(), reason="containernetworking-plugins is missing"
)


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    """Return plugins whose delegates and IPAM are ours."""
    for name in ("bridge", "ptp", "host-local"):
        (tmp_path / name).write_text("#!/bin/false\n# podwire plugin\n")
    return Plugins(path=str(tmp_path))


@pytest.fixture(autouse=True)
def lease(host: None) -> None:
    """Give the node a lease."""
    write_lease()


def write_lease(text: str = SUBNET_ENV) -> None:
    SUBNET_FILE.parent.mkdir(exist_ok=True)
    draft = SUBNET_FILE.with_name("draft")
    draft.write_text(text)
    draft.replace(SUBNET_FILE)


def state_of(one: Container) -> Path:
    return DATA_DIR / f"{one.name}:{one.ifname}"


def addresses(result: Json) -> list[str]:
    return [ip["address"] for ip in result["ips"]]


def reaches(one: Container, address: str) -> bool:
    """Tell whether an echo comes back: the machine may be too busy for the first second's."""
    return any(one.pings(address) for _ in range(5))


def reserved(network: str = "cbr0") -> list[str]:
    folder = Path("/var/lib/cni/networks", network)
    return sorted(path.name for path in folder.iterdir() if path.name[0].isdigit()) if folder.is_dir() else []


def links() -> list[str]:
    return sorted(link["ifname"] for link in ip_json("link") if link["ifname"] != "lo")


# ---- ADD


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


# ---- DEL


@pytest.mark.parametrize("config", [CONFIG, PTP], ids=["bridge", "ptp"])
def test_del_twice_without_lease_and_namespace_leaves_nothing(
    container: MakeContainer, plugins: Plugins, config: Json
) -> None:
    one, two = container("one"), container("two")
    plugins.add(config, two)
    before = {line for line in dump() if "last_reserved" not in line}
    plugins.add(config, one)
    SUBNET_FILE.unlink()
    plugins.delete(config, one, netns="")
    plugins.delete(config, one, netns="/run/netns/gone")
    assert {line for line in dump() if "last_reserved" not in line} == before
    assert not state_of(one).exists() and reserved() == ["10.244.51.2"]


def test_del_goes_by_the_configuration_of_the_add(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    store = {"ipam": {"dataDir": "/var/lib/cni/elsewhere"}}
    plugins.add(CONFIG | store, one)
    assert list(Path("/var/lib/cni/elsewhere/cbr0").glob("10.*"))
    plugins.delete(PTP, one)
    assert not list(Path("/var/lib/cni/elsewhere/cbr0").glob("10.*")) and links() == ["cni0"]


def test_two_interfaces_of_one_container_do_not_share_a_file(
    container: MakeContainer, plugins: Plugins
) -> None:
    first, second = container("one"), Container("one", "net1")
    plugins.add(CONFIG, first)
    plugins.add(CONFIG | {"delegate": {"type": "ptp"}}, second)
    assert sorted(path.name for path in DATA_DIR.iterdir()) == ["one:eth0", "one:net1"]
    plugins.delete(CONFIG, first)
    assert [path.name for path in DATA_DIR.iterdir()] == ["one:net1"]
    plugins.delete(CONFIG, second)
    assert list(DATA_DIR.iterdir()) == [] and reserved() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"type": "../x"}', None])
def test_del_without_a_usable_file_still_removes_everything(
    container: MakeContainer, plugins: Plugins, content: bytes | None
) -> None:
    one = container("one")
    plugins.add(CONFIG, one)
    if content is None:
        state_of(one).unlink()
    else:
        state_of(one).write_bytes(content)
    plugins.delete(CONFIG, one)
    assert (links(), reserved(), list(DATA_DIR.iterdir())) == (["cni0"], [], [])


def test_del_of_what_never_was_needs_no_delegate(container: MakeContainer, tmp_path: Path) -> None:
    before = dump()
    (tmp_path / "none").mkdir()
    Plugins(path=str(tmp_path / "none")).delete(CONFIG, Container("one"), netns="")
    assert dump() == before


# ---- CHECK


@pytest.mark.parametrize("config", [CONFIG, PTP], ids=["bridge", "ptp"])
def test_check_passes_and_sees_what_is_gone(container: MakeContainer, plugins: Plugins, config: Json) -> None:
    one = container("one")
    result = plugins.add(config, one)
    assert plugins.check(config, one, result) == ""
    one.run("ip", "route", "del", "10.244.0.0/16")
    assert "10.244.0.0/16" in plugins.check(config, one, result)


def test_check_sees_that_a_reservation_or_the_file_is_gone(
    container: MakeContainer, plugins: Plugins
) -> None:
    one = container("one")
    result = plugins.add(CONFIG, one)
    Path("/var/lib/cni/networks/cbr0/10.244.51.2").unlink()
    assert "no address is reserved for one eth0" in plugins.check(CONFIG, one, result)
    state_of(one).unlink()
    assert "one:eth0 is missing" in plugins.check(CONFIG, one, result)


# ---- STATUS and GC


def test_status_is_the_leases_and_the_delegates(container: MakeContainer, plugins: Plugins) -> None:
    assert plugins.ask("STATUS", CONFIG, None).status == 0
    write_lease(SUBNET_ENV.replace("51.1/24", "51.1/30"))
    plugins.add(CONFIG, container("one"))
    assert "no IP addresses available" in plugins.fails("STATUS", CONFIG, None)["msg"]
    SUBNET_FILE.unlink()
    error = plugins.fails("STATUS", CONFIG, None)
    assert error["code"] == 50 and "no lease yet" in error["msg"]


def test_gc_removes_what_is_not_listed_and_nothing_else(container: MakeContainer, plugins: Plugins) -> None:
    one, two, other = container("one"), container("two"), Container("two", "net1")
    result = plugins.add(CONFIG, one)
    plugins.add(CONFIG, two)
    plugins.add(CONFIG | {"name": "other", "delegate": {"bridge": "other0"}}, other)
    DATA_DIR.joinpath("long-gone").write_text(json.dumps(FLANNELS_STATE))
    DATA_DIR.joinpath("one").write_text(json.dumps(FLANNELS_STATE))
    DATA_DIR.joinpath("broken").write_text("{")
    SUBNET_FILE.unlink()
    valid = {"cni.dev/valid-attachments": [{"containerID": "one", "ifname": "eth0"}]}
    given = plugins.ask("GC", CONFIG | valid, None)
    assert (given.status, given.stdout) == (0, "")
    assert sorted(path.name for path in DATA_DIR.iterdir()) == ["broken", "one", "one:eth0", "two:net1"]
    assert reserved() == ["10.244.51.2"] and reserved("other") == ["10.244.51.2"]
    write_lease()
    assert plugins.check(CONFIG, one, result) == ""


def test_gc_goes_by_the_delegate_of_the_add(container: MakeContainer, plugins: Plugins) -> None:
    plugins.add(PTP, container("one"))
    given = plugins.ask("GC", CONFIG | {"cni.dev/valid-attachments": []}, None)
    assert given.status == 0 and links() == [] and reserved() == [] and list(DATA_DIR.iterdir()) == []


# ---- foreign delegates, by exec


@needs_reference
def test_foreign_delegates_do_the_work(container: MakeContainer) -> None:
    plugins = Plugins()
    config = CONFIG | {"cniVersion": "1.0.0"}
    one, two = container("one"), container("two")
    result = plugins.add(config, one)
    plugins.add(config, two)
    assert reaches(one, "10.244.51.3")
    assert plugins.check(config, one, result) == ""
    SUBNET_FILE.unlink()
    for _ in range(2):
        plugins.delete(config, one)
    plugins.delete(config, two, netns="")
    assert reserved() == [] and list(DATA_DIR.iterdir()) == []


@needs_reference
def test_a_foreign_delegate_that_fails_is_cleaned_up_after(container: MakeContainer) -> None:
    plugins = Plugins()
    config = CONFIG | {"cniVersion": "1.0.0", "delegate": {"bridge": "a-name-too-long-for-linux"}}
    one = container("one")
    before = {line for line in dump() if "/cbr0/l" not in line}
    assert plugins.fails("ADD", config, one)["msg"]
    assert not list(DATA_DIR.iterdir()) and reserved() == []
    assert {line for line in dump() if "/cbr0/l" not in line} == before


@pytest.mark.skipif(FOLDER not in os.environ, reason="there are executables of ours with --way only")
def test_our_own_delegates_work_by_exec_too(container: MakeContainer) -> None:
    variables = {"PODWIRE_EXEC_DELEGATES": "1", "PODWIRE_AGENT": "never"}
    plugins = Plugins(path=os.environ[FOLDER], environment=variables)
    one = container("one")
    result = plugins.add(CONFIG, one)
    assert reaches(one, "10.244.51.1")
    assert plugins.check(CONFIG, one, result) == ""
    assert plugins.ask("STATUS", CONFIG, None).status == 0
    plugins.delete(CONFIG, one)
    assert (links(), reserved(), list(DATA_DIR.iterdir())) == (["cni0"], [], [])


# ---- a chain


def test_a_host_port_behind_an_overlay_leads_into_the_pod(container: MakeContainer, plugins: Plugins) -> None:
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    one, two = container("one"), container("two")
    portmap = {"cniVersion": "1.1.0", "name": "cbr0", "type": "portmap", "runtimeConfig": ports}
    result = plugins.add(CONFIG, one)
    plugins.add(CONFIG, two)
    plugins.add(portmap | {"prevResult": result}, one)
    assert plugins.check(CONFIG, one, result) == "" == plugins.check(portmap, one, result)
    server = (
        'import socket; s = socket.create_server(("", 80)); print(flush=True); s.accept()[0].sendall(b"pod")'
    )
    client = 'import socket; print(socket.create_connection(("10.244.51.1", 8080), 5).recv(9))'
    inside = ["ip", "netns", "exec", "one", sys.executable, "-c", server]
    with subprocess.Popen(inside, stdout=subprocess.PIPE) as serving:
        assert serving.stdout and serving.stdout.readline()
        assert "pod" in two.run(sys.executable, "-c", client)
    plugins.delete(portmap, one)
    plugins.delete(CONFIG, one)
    assert not [line for line in dump() if "8080" in line]


# ---- flannel's own


def _recorded(name: str, otherwise: Json) -> Json:
    """Return what a real flannel left, or our own copy where the recordings are not at hand."""
    file = GOLDEN / name
    found: Json = json.loads(file.read_text()) if file.exists() else otherwise
    return found


@pytest.mark.parametrize("kind", ["flannel", "overlay"])
def test_the_delegate_is_configured_as_flannel_does_it(
    container: MakeContainer, plugins: Plugins, kind: str
) -> None:
    conf = _recorded("conf.json", {"name": "cbr0", "cniVersion": "1.0.0", "delegate": CONFIG["delegate"]})
    one = container("abc123")
    plugins.add(conf | {"type": kind}, one)
    kept = json.loads(state_of(one).read_text())
    assert kept.pop("severalGateways") is True  # ours: gateways of other blocks may stay
    assert kept == _recorded("state_flannel_abc123.json", FLANNELS_STATE)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="flannel's recordings are not at hand")
def test_the_result_and_the_pod_are_what_flannel_made(container: MakeContainer, plugins: Plugins) -> None:
    SUBNET_FILE.write_text((GOLDEN / "n1.subnet.env").read_text())
    conf = json.loads((GOLDEN / "conf.json").read_text())
    one = container("abc123")
    result, theirs = plugins.add(conf, one), json.loads((GOLDEN / "add.result.json").read_text())
    for key in ("cniVersion", "ips", "routes"):
        assert result[key] == theirs[key], key
    ours = [(i["name"], "sandbox" in i) for i in result["interfaces"]]
    assert [name for name, _ in ours][::2] == ["cni0", "eth0"]
    assert [inside for _, inside in ours] == ["sandbox" in i for i in theirs["interfaces"]]

    def routes(seen: list[Json]) -> set[tuple[object, ...]]:
        return {tuple(route.get(key) for key in ("dst", "gateway", "dev", "prefsrc")) for route in seen}

    recorded = json.loads((GOLDEN / "pod.route.json").read_text())
    assert routes(ip_json("-n", "abc123", "route")) == routes(recorded)

    def eth0(seen: list[Json]) -> list[object]:
        (link,) = [one for one in seen if one["ifname"] == "eth0"]
        four = [a for a in link["addr_info"] if a["family"] == "inet"]
        return [link["mtu"], link["operstate"], [(a["local"], a["prefixlen"], a["broadcast"]) for a in four]]

    recorded = json.loads((GOLDEN / "pod.addr.json").read_text())
    assert eth0(ip_json("-n", "abc123", "addr")) == eth0(recorded)


@needs_reference
@pytest.mark.parametrize("kind", ["bridge", "ptp"])
def test_a_pod_of_flannels_is_checked_and_removed(
    container: MakeContainer, plugins: Plugins, kind: str
) -> None:
    config = CONFIG | {"cniVersion": "1.0.0", "type": "flannel"}
    one = container("one")
    state = FLANNELS_STATE | {"type": kind}
    result = _as_flannel(state, one)
    assert plugins.check(config, one, result) == ""
    one.run("ip", "route", "del", "10.244.0.0/16")
    assert "10.244.0.0/16" in plugins.check(config, one, result)
    SUBNET_FILE.unlink()
    plugins.delete(config, one)
    plugins.delete(config, one)
    assert [name for name in links() if name.startswith("veth")] == []
    assert reserved() == [] and list(DATA_DIR.iterdir()) == []


@needs_reference
def test_check_of_a_pod_of_flannels_sees_that_it_left_the_bridge(
    container: MakeContainer, plugins: Plugins
) -> None:
    one = container("one")
    result = _as_flannel(FLANNELS_STATE, one)
    (veth,) = [name for name in links() if name.startswith("veth")]
    run(["ip", "link", "set", veth, "nomaster"])
    assert f"{veth} is not attached to cni0" in plugins.check(CONFIG, one, result)


@needs_reference
def test_pods_of_flannels_and_ours_share_bridge_and_pool(container: MakeContainer, plugins: Plugins) -> None:
    one, two = container("one"), container("two")
    _as_flannel(FLANNELS_STATE, one)
    assert addresses(plugins.add(CONFIG, two)) == ["10.244.51.3/24"]
    assert reaches(one, "10.244.51.3")


def _as_flannel(state: Json, one: Container) -> Json:
    """Attach as flannel's plugin does: write its file, run the reference's plugin with its content."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    (DATA_DIR / one.name).write_text(json.dumps(state))
    variables = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": one.name, "CNI_IFNAME": one.ifname,
        "CNI_NETNS": one.netns, "CNI_PATH": str(REFERENCE_PLUGINS), "PATH": os.environ["PATH"],
    }  # fmt: skip
    done = subprocess.run(
        [REFERENCE_PLUGINS / state["type"]], input=json.dumps(state).encode(), env=variables,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    result: Json = json.loads(done.stdout)
    return result
