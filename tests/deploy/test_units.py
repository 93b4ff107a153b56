"""The units for hosts without Kubernetes: what they start starts, with the rights that they leave it."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from podwire.demo.world import World
from podwire.install.units import RUNNER, runner_drop_in, units
from tests.deploy.own_code import mount_own_code
from tests.deploy.service import SERVICE, SLICE, wait_name, wait_page

SERVICES = [name for name in units() if name.endswith(".service")]
READY_WITHIN = 60.0  # seconds, on a machine busy with other tests
NOTIFY, PID = "/run/notify", "/run/main.pid"
FOLDER, DNS = "/etc/podwire/services", "10.96.0.10"
CONFIG = f"""
[proxy]
enabled = true
source = "{FOLDER}"

[dns]
enabled = true
source = "{FOLDER}"
addresses = ["{DNS}"]
"""


def section(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(units()[name].decode())
    return parser["Service"]


def test_there_is_a_unit_for_each_of_the_three() -> None:
    assert SERVICES == ["podwire-agent.service", "podwire-dns.service", "podwire-proxy.service"]


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_understands_it(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not installed: systemd-analyze")
    for other, text in units().items():
        (tmp_path / other).write_bytes(text)
    command = ["systemd-analyze", "verify", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "podwire-" not in done.stderr, done.stderr


def test_what_a_node_with_pods_has_over_it_is_understood_and_ends_no_pod(tmp_path: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(runner_drop_in().decode())
    assert parser["Service"]["KillMode"] == "process"  # `mixed` would kill supervisors with the agent
    tightened = {key for key, value in section("podwire-agent.service").items() if value == "yes"}
    assert tightened <= set(parser["Service"]), "what binds the agent would bind its containers"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not installed: systemd-analyze")
    (tmp_path / RUNNER).parent.mkdir()
    (tmp_path / RUNNER).write_bytes(runner_drop_in())
    for name, text in units().items():
        (tmp_path / name).write_bytes(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "podwire-agent.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "podwire-" not in done.stderr, done.stderr


@pytest.mark.clients
@pytest.mark.parametrize("name", SERVICES)
def test_what_it_starts_serves_with_the_rights_that_it_leaves(name: str, world: World) -> None:
    mount_own_code(world)
    world.run(["mkdir", "-p", FOLDER, "/run/podwire"])
    world.path("/etc/podwire/agent.toml").write_text(CONFIG)
    for number, body in enumerate((SERVICE, SLICE)):
        world.path(f"{FOLDER}/{number}.json").write_text(json.dumps(body))
    service = section(name)
    kept = [f"+{one.removeprefix('CAP_').lower()}" for one in service["CapabilityBoundingSet"].split()]
    note = ["sh", "-c", f'echo $$ > {PID}; exec "$@"', "sh"]
    rights = ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all", *kept])]
    argv = shlex.split(service["ExecStart"])
    assert argv[0] == sys.executable and service["Type"] == "notify"

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, world.path("/run/log").open("wb") as log:
        ready.bind(str(world.path(NOTIFY)))
        ready.settimeout(READY_WITHIN)
        running = world.start([*note, *rights, *argv], env={"NOTIFY_SOCKET": NOTIFY}, stderr=log.fileno())
        try:
            assert ready.recv(64) == b"READY=1"
        except TimeoutError:
            pytest.fail(world.path("/run/log").read_text())
    if name != "podwire-dns.service":
        wait_page(world)
    if name != "podwire-proxy.service":
        wait_name(world, DNS)
    world.run(["sh", "-c", f"kill $(cat {PID})"])
    assert running.wait(int(service["TimeoutStopSec"])) == 0, world.path("/run/log").read_text()
