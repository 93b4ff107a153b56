"""`podwire cni` does what cnitool does, and tells how long it took."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, said
from tests.pod_runner.cni.conftest import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    (tmp_path / "net.d").mkdir()
    world.plugin("a")
    world.plugin("b")
    _configure(world, "net1", "a", "b")
    return world


def _configure(world: World, name: str, *types: str, version: str = "1.1.0") -> None:
    plugins = [{"type": one, "capabilities": {"mac": True}} for one in types]
    body = {"cniVersion": version, "name": name, "plugins": plugins}
    (world.root / "net.d" / f"{name}.conflist").write_text(json.dumps(body))


def _where(world: World) -> list[str]:
    return [
        f"--conf-dir={world.root}/net.d", f"--cni-path={world.bin}", f"--cache-dir={world.root}/cache",
    ]  # fmt: skip


def test_add_check_and_del_follow_each_other(world: World, cli: Cli) -> None:
    for verb in ("add", "check", "del"):
        result = cli("cni", verb, "net1", "c1", *_where(world))
        assert result.exit_code == 0, result.output

    assert world.said() == ["a ADD", "b ADD", "a CHECK", "b CHECK", "b DEL", "a DEL"]
    environment = world.calls()[0].env
    assert environment["CNI_NETNS"] == "/run/netns/c1" and environment["CNI_IFNAME"] == "eth0"
    assert environment["CNI_CONTAINERID"].startswith("cnitool-")


def test_the_default_container_id_is_cnitools(world: World, cli: Cli) -> None:
    cli("cni", "add", "net1", "/run/netns/c1", *_where(world))

    # printf /run/netns/c1 | sha512sum | head -c 20
    digest = subprocess.run(["sha512sum"], input=b"/run/netns/c1", capture_output=True, check=True).stdout[
        :20
    ]
    assert world.calls()[0].env["CNI_CONTAINERID"] == f"cnitool-{digest.decode()}"


def test_json_tells_the_result_and_the_time_of_every_plugin(world: World, cli: Cli) -> None:
    result = cli("cni", "add", "net1", "c1", *_where(world), "--container-id=c1", "--output=json")

    body = said(result)
    assert (body["network"], body["containerId"], body["ifName"]) == ("net1", "c1", "eth0")
    assert [ip["address"] for ip in body["result"]["ips"]] == ["10.0.0.9/24"] * 2
    assert [(step["plugin"], step["verb"], step["ms"] > 0) for step in body["plugins"]] == [
        ("a", "ADD", True),
        ("b", "ADD", True),
    ]


def test_tables_are_for_people(world: World, cli: Cli) -> None:
    result = cli("cni", "add", "net1", "c1", *_where(world))

    assert "10.0.0.9/24" in result.stdout and "PLUGIN" in result.stdout and "\x1b" not in result.stdout


def test_the_environment_is_honoured_as_cnitool_honours_it(world: World, cli: Cli) -> None:
    environment = {
        "NETCONFPATH": f"{world.root}/net.d",
        "CNI_PATH": str(world.bin),
        "CNI_ARGS": "IgnoreUnknown=1;A=b=c",
        "CAP_ARGS": '{"mac": "02:00:00:00:00:01", "ips": []}',
        "CNI_IFNAME": "net7",
    }
    result = cli("cni", "add", "net1", "c1", f"--cache-dir={world.root}/cache", env=environment)

    assert result.exit_code == 0, result.output
    call = world.calls()[0]
    assert call.env["CNI_IFNAME"] == "net7" and call.env["CNI_ARGS"] == "IgnoreUnknown=1;A=b=c"
    assert call.body["runtimeConfig"] == {"mac": "02:00:00:00:00:01"}


def test_an_error_is_one_sentence_on_stderr_and_status_1(world: World, cli: Cli) -> None:
    world.fail("b", "ADD", 11, "busy")

    result = cli("cni", "add", "net1", "c1", *_where(world))

    assert result.exit_code == 1
    assert result.stderr == 'podwire: plugin type="b" failed (add): busy\n'


def test_an_error_as_json_is_an_error_object_with_the_timings(world: World, cli: Cli) -> None:
    world.fail("b", "ADD", 11, "busy")

    result = cli("cni", "add", "net1", "c1", *_where(world), "-o", "json")

    body = said(result)
    assert result.exit_code == 1 and (body["code"], body["cniVersion"]) == (11, "1.1.0")
    assert [f"{step['plugin']} {step['verb']}" for step in body["plugins"]] == [
        "a ADD",
        "b ADD",
        "b DEL",
        "a DEL",
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["net2", "c1"], 'there is no network "net2"'),
        (["net1", "c1", "--cap-args=[]"], "expected a JSON object, came a list"),
        (["net1", "c1", "--args=A"], "CNI_ARGS: expected K=V;K=V, came 'A'"),
        (["net1", "c1", "-i", "a/b"], "expected an interface name"),
        (["net1", "c1", "--container-id=../x"], "expected a container id"),
    ],
)
def test_wrong_input_is_said_in_a_sentence_before_anything_runs(
    world: World, cli: Cli, arguments: list[str], reason: str
) -> None:
    result = cli("cni", "add", *arguments, *_where(world))

    assert result.exit_code == 1 and reason in result.stderr
    assert world.calls() == []


@pytest.mark.parametrize(
    "arguments", [["cni", "add", "net1"], ["cni", "nope"], ["nope"], ["cni", "add", "--x"]]
)
def test_wrong_usage_is_status_2(cli: Cli, arguments: list[str]) -> None:
    assert cli(*arguments).exit_code == 2


def test_gc_keeps_what_is_alive_or_named_and_all_keeps_nothing(
    world: World, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "alive").touch()
    for name, netns in (("c1", tmp_path / "alive"), ("c2", tmp_path / "gone"), ("c3", tmp_path / "gone")):
        assert cli("cni", "add", "net1", netns, f"--container-id={name}", *_where(world)).exit_code == 0

    def attached() -> list[str]:
        return [cached.target.container_id for cached in world.cache.attachments()]

    cli("cni", "gc", "net1", "--keep=c1/eth0", "--keep=c2/eth0", *_where(world))
    assert attached() == ["c1", "c2"]
    cli("cni", "gc", "net1", *_where(world))
    assert attached() == ["c1"]
    cli("cni", "gc", "net1", "--all", *_where(world))
    assert attached() == []


def test_gc_prints_every_error(world: World, cli: Cli) -> None:
    world.fail("a", "GC", msg="first")
    world.fail("b", "GC", msg="second")

    result = cli("cni", "gc", "net1", *_where(world))
    assert result.exit_code == 1 and "first" in result.stderr and "second" in result.stderr

    objects = said(cli("cni", "gc", "net1", *_where(world), "-o", "json"))["errors"]
    assert [one["msg"].rpartition(": ")[2] for one in objects] == ["first", "second"]


def test_status_is_the_first_plugins_error(world: World, cli: Cli) -> None:
    assert cli("cni", "status", "net1", "c1", *_where(world)).exit_code == 0
    world.fail("b", "STATUS", 50, "no addresses")

    result = cli("cni", "status", "net1", *_where(world))
    assert result.exit_code == 1 and "no addresses" in result.stderr


def test_a_terminated_add_leaves_nothing(world: World) -> None:
    hang = world.bin / "b"
    hang.write_text(
        f'#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] || exit 0\ntouch {world.root}/hangs\nexec sleep 300\n'
    )
    command = [sys.executable, "-c", "from podwire.main import main; main()", "cni", "add", "net1", "c1"]
    with subprocess.Popen([*command, *_where(world)], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not (world.root / "hangs").exists():
            assert process.poll() is None and time.monotonic() < deadline
            os.sched_yield()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM

    assert world.said() == ["a ADD", "a DEL"] and world.cache.attachments() == []
