"""overlay: DEL, CHECK, STATUS and GC are real; delegates may be anybody's, and others come behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calls import Container, Json, Plugins, dump
from tests.overlay_world import (
    CONFIG,
    DATA_DIR,
    FLANNELS_STATE,
    PTP,
    SUBNET_ENV,
    SUBNET_FILE,
    MakeContainer,
    lease,
    links,
    needs_reference,
    plugins,
    reaches,
    reserved,
    state_of,
    write_lease,
)
from tests.ways import FOLDER

__all__ = ["lease", "plugins"]

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
