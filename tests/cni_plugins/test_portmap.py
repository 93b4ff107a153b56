"""portmap: a port of the host leads to the container from wherever somebody comes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.calls import Container, Json, Plugins, StoppingKernel, dump, run

MakeContainer = Callable[..., Container]
BACKENDS = ("nftables", "iptables")

BRIDGE: Json = {
    "cniVersion": "1.0.0",
    "name": "net1",
    "type": "bridge",
    "bridge": "pod0",
    "isDefaultGateway": True,
    "hairpinMode": True,
    "ipMasq": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "fd88::/64"}]]},
}
PORT = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
UDP = {"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}

# A server that answers one line, its container's name, on each TCP connection or UDP packet.
SERVER = """
import os, socket, sys
kind, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", port))
if kind == "tcp":
    s.listen(16)
print("ready", flush=True)
while True:
    if kind == "tcp":
        c, a = s.accept()
        c.sendall(f"{name} {a[0].removeprefix('::ffff:')}".encode())
        c.close()
    else:
        _, a = s.recvfrom(100)
        s.sendto(f"{name} {a[0].removeprefix('::ffff:')}".encode(), a)
"""
CLIENT = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(1.5)
if len(sys.argv) > 4:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", int(sys.argv[4])))
try:
    s.connect((host, port))
    if kind == "udp":
        s.send(b"?")
    print(s.recv(100).decode())
except OSError as e:
    print("no answer:", e)
"""  # noqa: E501


@pytest.fixture
def serve(container: MakeContainer) -> Iterator[Callable[[Container, str, int], None]]:
    """Start servers in containers; they end with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(one: Container, kind: str, port: int) -> None:
        command = [
            "ip",
            "netns",
            "exec",
            one.name,
            "/usr/bin/python3",
            "-c",
            SERVER,
            kind,
            str(port),
            one.name,
        ]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        running.append(server)

    yield start
    for server in running:
        server.kill()
        server.wait()


def ask(host: str, port: int = 8080, kind: str = "tcp", *, inside: str = "", source: int = 0) -> str:
    """Come to a port and return what answers."""
    where = ["ip", "netns", "exec", inside] if inside else []
    extra = [str(source)] if source else []
    return run([*where, "/usr/bin/python3", "-c", CLIENT, kind, host, str(port), *extra]).strip()


@pytest.fixture
def outside(container: MakeContainer) -> str:
    """Make a machine outside, 192.0.2.2; it reaches the host as 192.0.2.1 and 198.51.100.0/24 by it."""
    container("outside")
    run(["sh", "-c", "ip link add up0 type veth peer name eth0 netns outside; ip link set up0 up"])
    run(["sh", "-c", "ip addr add 192.0.2.1/24 dev up0; ip addr add fd02::1/64 dev up0 nodad"])
    run(["ip", "-n", "outside", "addr", "add", "192.0.2.2/24", "dev", "eth0"])
    run(["ip", "-n", "outside", "addr", "add", "fd02::2/64", "dev", "eth0", "nodad"])
    run(["ip", "-n", "outside", "link", "set", "eth0", "up"])
    run(["ip", "-n", "outside", "route", "add", "198.51.100.0/24", "via", "192.0.2.1"])
    return "outside"


def portmap(result: Json, *ports: Json, **keys: object) -> Json:
    """Return the plugin's configuration after the bridge's result."""
    return {
        "cniVersion": "1.0.0",
        "name": "net1",
        "type": "portmap",
        "capabilities": {"portMappings": True},
        "runtimeConfig": {"portMappings": list(ports)},
        "prevResult": result,
        **keys,
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_host_port_answers_from_five_vantage_points(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str, backend: str
) -> None:
    one, two = container("one"), container("two")
    result = plugins.add(BRIDGE, one)
    plugins.add(BRIDGE, two)
    serve(one, "tcp", 80)
    plugins.add(portmap(result, PORT, backend=backend), one)
    assert ask("192.0.2.1", inside="outside") == "one 192.0.2.2"
    assert ask("fd02::1", inside="outside") == "one fd02::2"
    assert ask("192.0.2.1").startswith("one ")
    assert ask("127.0.0.1").startswith("one ")
    assert ask("192.0.2.1", inside="two").startswith("one ")
    assert ask("192.0.2.1", inside="one").startswith("one ")
    assert ask("10.88.0.1", inside="two").startswith("one ")


@pytest.mark.parametrize("backend", BACKENDS)
def test_del_closes_the_port_whatever_it_is_told(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    plugins.add(portmap(result, {**PORT, "hostPort": 9}, backend=backend), container("two"))
    plugins.delete(portmap(result), container("two"))
    before = dump()
    plugins.add(portmap(result, PORT, UDP, backend=backend), one)
    assert dump() != before
    bare = {"cniVersion": "1.0.0", "name": "net1", "type": "portmap"}
    plugins.delete(bare, one, netns="")
    assert dump() == before
    plugins.delete(bare, one)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_taken_port_is_refused_with_its_owners_name(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one, two = container("one"), container("two")
    first, second = plugins.add(BRIDGE, one), plugins.add(BRIDGE, two)
    plugins.add(portmap(first, PORT, backend=backend), one)
    before = dump()
    error = plugins.fails("ADD", portmap(second, {**UDP}, PORT, backend=backend), two)
    assert error["code"] == 104 and "container one of network net1" in error["msg"] and "8080" in error["msg"]
    assert dump() == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_udp_flows_follow_the_port_to_its_next_owner(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str, backend: str
) -> None:
    one, two = container("one"), container("two")
    first, second = plugins.add(BRIDGE, one), plugins.add(BRIDGE, two)
    serve(one, "udp", 53)
    serve(two, "udp", 53)
    assert "no answer" in ask("192.0.2.1", 5353, "udp", inside="outside", source=4000)
    plugins.add(portmap(first, UDP, backend=backend), one)
    assert ask("192.0.2.1", 5353, "udp", inside="outside", source=4000) == "one 192.0.2.2"
    plugins.delete(portmap(first, UDP, backend=backend), one)
    plugins.add(portmap(second, UDP, backend=backend), two)
    assert ask("192.0.2.1", 5353, "udp", inside="outside", source=4000) == "two 192.0.2.2"


def test_other_machines_addresses_are_never_caught(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    serve(one, "tcp", 80)
    plugins.add(portmap(result, PORT, {**PORT, "hostPort": 81, "hostIP": "198.51.100.7"}), one)
    assert "no answer" in ask("198.51.100.7", 8080, inside="outside")
    assert "no answer" in ask("198.51.100.7", 81, inside="outside")


def test_a_port_of_one_address_is_closed_on_the_others(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    serve(one, "tcp", 80)
    plugins.add(portmap(result, {**PORT, "hostIP": "192.0.2.1"}), one)
    assert ask("192.0.2.1", inside="outside") == "one 192.0.2.2"
    assert "no answer" in ask("10.88.0.1", inside="outside")
    assert "no answer" in ask("127.0.0.1")
    assert "no answer" in ask("fd02::1", inside="outside")


def test_the_loopback_network_cannot_be_reached_from_outside(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    plugins.add(portmap(result, PORT), one)
    server = Container("one")
    run(["sh", "-c", "cat /proc/sys/net/ipv4/conf/pod0/route_localnet | grep -q 1"])
    server.run("ip", "addr", "flush", "dev", "lo")
    server.run("ip", "route", "add", "127.0.0.0/8", "via", "10.88.0.1")
    host = subprocess.Popen(["/usr/bin/python3", "-c", SERVER, "tcp", "7000", "host"], stdout=subprocess.PIPE)
    try:
        assert host.stdout is not None and host.stdout.readline() == b"ready\n"
        assert ask("127.0.0.1", 7000) == "host 127.0.0.1"
        assert "no answer" in ask("127.0.0.1", 7000, inside="one")
    finally:
        host.kill()
        host.wait()


@pytest.mark.parametrize("backend", BACKENDS)
def test_conditions_bind_their_own_attachment_alone(
    container: MakeContainer, plugins: Plugins, serve: Callable[..., None], outside: str, backend: str
) -> None:
    one, two = container("one"), container("two")
    first, second = plugins.add(BRIDGE, one), plugins.add(BRIDGE, two)
    serve(one, "tcp", 80)
    serve(two, "tcp", 80)
    words = ["ip", "saddr", "203.0.113.9"] if backend == "nftables" else ["-s", "203.0.113.9"]
    config = portmap(first, PORT, backend=backend, conditionsV4=words)
    plugins.add(config, one)
    plugins.add(portmap(second, {**PORT, "hostPort": 8081}, backend=backend), two)
    assert plugins.check(config, one, first) == ""
    assert "no answer" in ask("192.0.2.1", 8080, inside="outside")
    assert ask("192.0.2.1", 8081, inside="outside") == "two 192.0.2.2"
    plugins.delete(config, one)
    assert "203.0.113.9" not in "".join(dump())


BROKEN = {
    "nftables": (
        "nft flush map inet podwire hostport4",
        "nft flush set inet podwire hairpin6",
        "nft flush chain inet podwire output",
        "sysctl -qw net.ipv4.conf.pod0.route_localnet=0",
        "nft flush set inet podwire loopback_ports",
    ),
    "iptables": ("iptables -t nat -F CNI-HOSTPORT-DNAT", "ip6tables -t nat -F CNI-HOSTPORT-MASQ"),
}


@pytest.mark.parametrize(("backend", "how"), [(b, how) for b in BACKENDS for how in BROKEN[b]])
def test_check_notices_what_is_gone(
    container: MakeContainer, plugins: Plugins, backend: str, how: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    config = portmap(result, PORT, backend=backend)
    plugins.add(config, one)
    assert plugins.check(config, one, result) == ""
    run(["sh", "-c", how])
    broken = dump()
    assert plugins.check(config, one, result) != ""
    assert dump() == broken


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_at_any_step_leaves_everything_as_it_was(
    container: MakeContainer, plugins: Plugins, backend: str
) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    keys = {"conditionsV6": ["ip6", "saddr", "::1"]} if backend == "nftables" else {}
    config = portmap(result, PORT, UDP, backend=backend, masqAll=True, **keys)
    before = frozenset(
        line for line in dump() if not line.startswith("iptables") and "chain" not in line[:12]
    )
    for step in range(20):
        kernel = StoppingKernel(step)
        given = Plugins(kernel=lambda kernel=kernel: kernel).ask("ADD", config, one)  # type: ignore[misc]
        if given.status == 0:
            assert step >= 3
            return
        assert "could not take back" not in given.stdout, given.stdout
        after = frozenset(
            line for line in dump() if not line.startswith("iptables") and "chain" not in line[:12]
        )
        assert after - {line for line in after if "table" in line[:12]} == before - {
            line for line in before if "table" in line[:12]
        }
    pytest.fail("the ADD never came to its end")


def test_gc_closes_the_ports_of_who_is_not_listed(container: MakeContainer, plugins: Plugins) -> None:
    kept, stale = container("kept"), container("stale")
    first, second = plugins.add(BRIDGE, kept), plugins.add(BRIDGE, stale)
    for backend, number in (("nftables", 1), ("iptables", 1001)):
        plugins.add(portmap(first, {**PORT, "hostPort": number}, backend=backend), kept)
        before = dump()
        plugins.add(portmap(second, {**PORT, "hostPort": number + 1}, backend=backend), stale)
        config = portmap(first, backend=backend) | {"cniVersion": "1.1.0"}
        valid = [{"containerID": "kept", "ifname": "eth0"}]
        given = plugins.ask("GC", config | {"cni.dev/valid-attachments": valid}, None)
        assert given.status == 0, given.stdout
        gone = {line for line in before - dump() if "masquerade" not in line}
        assert not gone, gone
        assert not [line for line in dump() if '"stale' in line and "hostport" in line]


@pytest.mark.parametrize(
    "ports",
    [
        [{**PORT, "hostPort": 0}],
        [{**PORT, "hostPort": 65536}],
        [{**PORT, "protocol": "icmp"}],
        [{**PORT, "hostIP": "localhost"}],
        [{**PORT, "hostPort": True}],
        {"hostPort": 1},
    ],
)
def test_bad_mappings_are_refused(container: MakeContainer, plugins: Plugins, ports: object) -> None:
    config = portmap({"cniVersion": "1.0.0"}) | {"runtimeConfig": {"portMappings": ports}}
    assert plugins.fails("ADD", config, container("one"))["code"] == 7


def test_no_mappings_pass_the_result_on_and_touch_nothing(container: MakeContainer, plugins: Plugins) -> None:
    one = container("one")
    result = plugins.add(BRIDGE, one)
    before = dump()
    assert json.dumps(plugins.add(portmap(result), one)) == json.dumps(result)
    assert dump() == before
