"""Requests through the agent: real pods, one at a time and many at once, late ones, lonely ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from linuxnet.netns import OWN_NETNS
from linuxnet.scratch import open_scratch_netns
from podwire.agent.client import ask
from podwire.agent.protocol import NOT_SERVED, STATUS, Reply, Request, encode_request
from podwire.agent.server import Server
from podwire.agent.settings import AgentSettings
from tests.agent.conftest import BRIDGE, NET, SOCKET, Caller, SlowIpam, in_background, wait_until
from tests.calls import Container, dump, ip_json, run

MakePod = Callable[[str], Container]
SLOW = NET | {"type": "bridge", "bridge": "slow0", "isGateway": True, "ipam": {"type": "slow"}}


def veths() -> list[str]:
    return [link["ifname"] for link in ip_json("link") if link["ifname"].startswith("veth")]


def test_a_chain_is_attached_and_detached(caller: Caller, pod: MakePod) -> None:
    one, two = pod("one"), pod("two")
    before = dump()
    result, _ = caller.add(BRIDGE, one), caller.add(BRIDGE, two)
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    portmap = NET | {"type": "portmap", "runtimeConfig": ports, "prevResult": result}
    caller.add(portmap, one)

    assert two.pings(result["ips"][0]["address"].partition("/")[0])
    assert "8080" in run(["nft", "list", "map", "inet", "podwire", "hostport4"])
    for config, pods in ((portmap, [one]), (BRIDGE, [one, two])):
        assert [caller.ask("DEL", config, each) for each in pods] == [Reply(0)] * len(pods)
    assert veths() == []
    left = [line for line in dump() - before if " one " in line or " two " in line]
    assert not left, left


def test_an_error_is_one_object_with_its_code(caller: Caller, pod: MakePod) -> None:
    reply = caller.ask("ADD", BRIDGE | {"mtu": True}, pod("one"))

    assert reply.status == 1 and json.loads(reply.stdout)["code"] == 7


def test_warnings_come_on_stderr(caller: Caller, pod: MakePod) -> None:
    reply = caller.ask("ADD", BRIDGE | {"brdige": "x"}, pod("one"))

    assert reply.stderr == b'podwire bridge: unknown key "brdige" is ignored\n'


def test_a_caller_of_another_network_namespace_is_left_to_itself(caller: Caller) -> None:
    other = open_scratch_netns()

    reply = ask(SOCKET, Request("bridge", {"CNI_COMMAND": "VERSION"}, b"{}"), [other])

    os.close(other)
    assert reply.status == NOT_SERVED


def test_a_plugin_that_is_not_ours_is_left_to_its_caller(caller: Caller) -> None:
    assert caller.ask("VERSION", {"type": "dhcp"}, None).status == NOT_SERVED


def test_the_namespace_that_counts_is_the_one_the_caller_opened(caller: Caller, pod: MakePod) -> None:
    one = pod("one")
    hidden = Container("one")
    opened = os.open(one.netns, os.O_RDONLY)
    here = os.open(OWN_NETNS, os.O_RDONLY)
    variables = {
        "CNI_COMMAND": "ADD", "CNI_PATH": str(caller.path), "CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/a/path/that/only/the/caller/has",
    }  # fmt: skip

    reply = ask(SOCKET, Request("bridge", variables, json.dumps(BRIDGE).encode()), [here, opened])

    assert reply.status == 0, reply
    assert "10.70." in hidden.run("ip", "-4", "addr", "show", "eth0")


def test_a_namespace_only_the_agent_sees_is_another_ones(caller: Caller, pod: MakePod) -> None:
    one = pod("one")
    here = os.open(OWN_NETNS, os.O_RDONLY)
    variables = {
        "CNI_COMMAND": "ADD", "CNI_PATH": str(caller.path), "CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0",
        "CNI_NETNS": one.netns,
    }  # fmt: skip

    reply = ask(SOCKET, Request("bridge", variables, json.dumps(BRIDGE).encode()), [here])

    os.close(here)
    assert reply.status == NOT_SERVED and veths() == []


def test_many_at_once_are_all_served(caller: Caller, pod: MakePod) -> None:
    pods = [pod(f"p{i}") for i in range(20)]
    with ThreadPoolExecutor(20) as threads:
        results = list(threads.map(lambda one: caller.add(BRIDGE, one), pods))
        assert len({one["ips"][0]["address"] for one in results}) == 20
        assert len(veths()) == 20
        assert all(one == Reply(0) for one in threads.map(lambda one: caller.ask("DEL", BRIDGE, one), pods))
    assert veths() == [] and not list(Path("/var/lib/cni/networks/net").glob("10.*"))


def test_crowds_that_share_and_remove_what_is_shared_do_not_wait_for_each_other(
    caller: Caller, pod: MakePod
) -> None:
    """A removal that is alone for a moment must not wait for one that wants to be."""
    pods = [pod(f"p{i}") for i in range(16)]
    ptp = NET | {"type": "ptp", "ipMasq": True}

    def live(number: int) -> list[int]:
        ports = {"portMappings": [{"hostPort": 9000 + number, "containerPort": 80, "protocol": "tcp"}]}
        result = caller.add(ptp, pods[number])
        portmap = NET | {"type": "portmap", "runtimeConfig": ports, "prevResult": result}
        caller.add(portmap, pods[number])
        return [caller.ask("DEL", body, pods[number]).status for body in (portmap, ptp)]

    with ThreadPoolExecutor(16) as threads:
        for _ in range(5):
            assert list(threads.map(live, range(16))) == [[0, 0]] * 16
    assert veths() == []
    assert caller.ask("GC", ptp | {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}, None).status == 0
    assert "comment" not in run(["nft", "list", "ruleset"])


def test_a_del_waits_for_the_add_that_is_at_work(caller: Caller, pod: MakePod, slow_ipam: SlowIpam) -> None:
    one = pod("one")
    adding, added = in_background(lambda: caller.ask("ADD", SLOW, one))
    slow_ipam.wait_begun()
    deleting, deleted = in_background(lambda: caller.ask("DEL", SLOW, one))
    assert caller.ask("ADD", BRIDGE, pod("two")).status == 0, "others are served meanwhile"

    slow_ipam.let_go()
    adding.join(10)
    deleting.join(10)
    assert (added[0].status, deleted[0].status) == (0, 0)
    assert len(veths()) == 1


def test_an_add_nobody_waits_for_is_taken_back(caller: Caller, pod: MakePod, slow_ipam: SlowIpam) -> None:
    one = pod("one")
    variables = {
        "CNI_COMMAND": "ADD", "CNI_PATH": str(caller.path), "CNI_CONTAINERID": "one", "CNI_IFNAME": "eth0",
        "CNI_NETNS": one.netns,
    }  # fmt: skip
    with socket.socket(socket.AF_UNIX) as gone:
        gone.connect(str(SOCKET))
        opened = [os.open(path, os.O_RDONLY) for path in (OWN_NETNS, one.netns)]
        request = encode_request(Request("bridge", variables, json.dumps(SLOW).encode()))
        socket.send_fds(gone, [request], opened)
        for descriptor in opened:
            os.close(descriptor)
        slow_ipam.wait_begun()
    slow_ipam.let_go()

    assert caller.ask("DEL", SLOW | {"type": "bridge"}, one) == Reply(0), "it comes after the taking back"
    assert veths() == []
    assert caller.server.counters.rejected["ADD taken back: its caller had gone"] == 1


def test_a_stop_finishes_what_is_at_work(caller: Caller, pod: MakePod, slow_ipam: SlowIpam) -> None:
    adding, added = in_background(lambda: caller.ask("ADD", SLOW, pod("one")))
    slow_ipam.wait_begun()

    caller.server.stop()
    slow_ipam.let_go()

    adding.join(10)
    assert added[0].status == 0


def test_who_calls_during_a_stop_sees_at_once_that_nobody_is_here(
    caller: Caller, pod: MakePod, slow_ipam: SlowIpam
) -> None:
    adding, added = in_background(lambda: caller.ask("ADD", SLOW, pod("one")))
    slow_ipam.wait_begun()

    caller.server.stop()
    wait_until(lambda: not SOCKET.exists())

    with pytest.raises(FileNotFoundError):
        caller.ask("VERSION", BRIDGE, None)
    slow_ipam.let_go()
    adding.join(10)
    assert added[0].status == 0


def test_a_stop_leaves_systemds_socket_and_who_waits_there_to_the_next_agent(host: None) -> None:
    with socket.socket(socket.AF_UNIX) as systemds, socket.socket(socket.AF_UNIX) as waiting:
        systemds.bind(str(SOCKET))
        systemds.listen()
        server = Server(systemds.dup(), AgentSettings())
        waiting.connect(str(SOCKET))
        server.stop()
        server.run()

        successor, _ = systemds.accept()
        with successor:
            successor.sendall(b"here")
        assert waiting.recv(4) == b"here" and SOCKET.exists()


class TestADeadline:
    """A short one, and one thread."""

    @pytest.fixture
    def settings(self) -> AgentSettings:
        return AgentSettings(deadline=0.4, workers=1)

    def test_what_is_late_is_answered_and_taken_back(
        self, caller: Caller, pod: MakePod, slow_ipam: SlowIpam
    ) -> None:
        one = pod("one")
        reply = caller.ask("ADD", SLOW, one)

        assert json.loads(reply.stdout)["code"] == 11
        slow_ipam.wait_begun()
        assert caller.ask("VERSION", BRIDGE, None).status == 0, "another thread has taken its place"
        slow_ipam.let_go()
        deleted = caller.ask("DEL", SLOW, one)  # waits until the late one has ended
        assert (deleted.status, veths()) == (0, [])


class TestAFullQueue:
    """One thread, and a queue of one."""

    @pytest.fixture
    def settings(self) -> AgentSettings:
        return AgentSettings(workers=1, queue=1)

    def test_says_try_again_later(self, caller: Caller, pod: MakePod, slow_ipam: SlowIpam) -> None:
        adding, added = in_background(lambda: caller.ask("ADD", SLOW, pod("one")))
        slow_ipam.wait_begun()
        with socket.socket(socket.AF_UNIX) as queued:
            queued.connect(str(SOCKET))
            queued.sendall(encode_request(Request("bridge", {}, b"")))
            wait_until(lambda: status()["queue"] == 1)
            turned_away = caller.ask("VERSION", BRIDGE, None)
            slow_ipam.let_go()
            adding.join(60)
            assert json.loads(turned_away.stdout)["code"] == 11
            assert added[0].status == 0 and queued.recv(4) == b"PWA1"

    def test_is_no_reason_not_to_tell_the_status(
        self, caller: Caller, pod: MakePod, slow_ipam: SlowIpam
    ) -> None:
        adding, _ = in_background(lambda: caller.ask("ADD", SLOW, pod("one")))
        slow_ipam.wait_begun()
        with socket.socket(socket.AF_UNIX) as queued:
            queued.connect(str(SOCKET))
            queued.sendall(encode_request(Request("bridge", {}, b"")))
            wait_until(lambda: (status()["busy"], status()["queue"]) == (1, 1))
        slow_ipam.let_go()
        adding.join(60)


def status() -> Any:
    return json.loads(ask(SOCKET, Request(STATUS, {}, b""), timeout=30).stdout)


def test_the_status_tells_what_was_done(caller: Caller, pod: MakePod) -> None:
    caller.add(BRIDGE, pod("one"))
    caller.ask("ADD", BRIDGE | {"mtu": True}, pod("two"))

    said = status()

    seen = {(one["verb"], one["plugin"], one["code"]): one["number"] for one in said["requests"]}
    assert seen == {("ADD", "bridge", 0): 1, ("ADD", "bridge", 7): 1}
    assert said["pid"] == os.getpid() and said["memory"] > 1 << 20


def test_what_others_change_meanwhile_is_noticed(caller: Caller, pod: MakePod) -> None:
    one, two = pod("one"), pod("two")
    caller.add(BRIDGE, one)
    run(["nft", "flush", "ruleset"])
    Path("/var/lib/cni/networks/net/10.70.0.3").write_text("another\r\neth0")

    result = caller.add(BRIDGE, two)

    assert result["ips"][0]["address"] == "10.70.0.4/16"
    assert "10.70.0.4" in run(["nft", "list", "set", "inet", "podwire", "masquerade4"])
    assert caller.ask("DEL", BRIDGE, one) == Reply(0)


def test_a_foreign_delegate_is_not_sent_back_to_the_agent(caller: Caller, pod: MakePod) -> None:
    script = '#!/bin/sh\nprintf %s "$PODWIRE_AGENT $CNI_NETNS" >"$0.seen"\ncat >/dev/null\nexit 1\n'
    (caller.path / "foreign").write_text(script)
    (caller.path / "foreign").chmod(0o755)
    one = pod("one")

    caller.ask("ADD", BRIDGE | {"ipam": {"type": "foreign"}}, one)

    assert (caller.path / "foreign.seen").read_text() == f"never {one.netns}"


def test_go_plugins_and_ours_share_one_network(caller: Caller, pod: MakePod) -> None:
    one = pod("one")
    caller.add(BRIDGE, one)
    environment = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "theirs", "CNI_NETNS": pod("two").netns,
        "CNI_IFNAME": "eth0", "CNI_PATH": "/usr/lib/cni", "PATH": os.environ["PATH"],
    }  # fmt: skip
    body = json.dumps(BRIDGE | {"ipMasq": False}).encode()
    done = subprocess.run(
        ["/usr/lib/cni/bridge"], input=body, env=environment, capture_output=True, check=True
    )

    theirs = json.loads(done.stdout)["ips"][0]["address"]
    assert caller.add(BRIDGE, pod("three"))["ips"][0]["address"] not in ("10.70.0.2/16", theirs)
