"""iptables in either variant: the host's own tool is used, and shows the rules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.calls import Container, Json, Plugins, run

VARIANTS = {"legacy": "xtables-legacy-multi", "nft": "xtables-nft-multi"}
NAMES = [f"{name}{suffix}" for name in ("iptables", "ip6tables") for suffix in ("", "-restore", "-save")]
BRIDGE: Json = {
    "cniVersion": "1.1.0",
    "name": "net1",
    "type": "bridge",
    "bridge": "pod0",
    "isGateway": True,
    "ipMasq": True,
    "ipMasqBackend": "iptables",
    "ipam": {"type": "static", "addresses": [{"address": "10.88.0.5/24"}, {"address": "fd88::5/64"}]},
}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
CHAIN: list[Json] = [
    {"type": "portmap", "backend": "iptables", "runtimeConfig": PORTS},
    {"type": "firewall", "backend": "iptables", "ingressPolicy": "same-bridge"},
]


@pytest.fixture(params=VARIANTS)
def save(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    """Make one variant the host's; return what prints all of its rules."""
    program = shutil.which(VARIANTS[request.param], path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"{VARIANTS[request.param]} is not on this machine")
    for name in NAMES:
        (tmp_path / name).symlink_to(program)
    if subprocess.run([tmp_path / "iptables", "-L"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"this kernel has no {request.param} iptables")
    monkeypatch.setattr("linuxnet.iptables.SEARCH_PATH", str(tmp_path))
    return lambda: run([str(tmp_path / "iptables-save")]) + run([str(tmp_path / "ip6tables-save")])


@pytest.fixture
def one(host: None) -> Iterator[Container]:
    """Make a container."""
    run(["ip", "netns", "add", "one"])
    yield Container("one")
    run(["ip", "netns", "del", "one"])


def test_rules_are_made_checked_and_removed(one: Container, save: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "static").write_text("#!/bin/false\n# podwire plugin\n")
    plugins = Plugins(path=str(tmp_path))
    result = plugins.add(BRIDGE, one)
    bodies = [{"cniVersion": "1.1.0", "name": "net1", **body} for body in CHAIN]
    for body in bodies:
        plugins.add(body | {"prevResult": result}, one)
    made = save()
    for expected in ("-j MASQUERADE", "--to-destination 10.88.0.5:80", "--to-destination [fd88::5]:80"):
        assert expected in made
    for body in [BRIDGE, *bodies]:
        assert plugins.check(body, one, result) == ""
    for body in [*reversed(bodies), BRIDGE]:
        plugins.delete(body, one, netns="")
        assert plugins.check(body, one, result) != ""
    left = save()
    assert "10.88.0.5" not in left and "fd88::5" not in left and "CNI-DN-" not in left


def test_check_sees_each_rule_that_somebody_removed(
    one: Container, save: Callable[[], str], tmp_path: Path
) -> None:
    (tmp_path / "static").write_text("#!/bin/false\n# podwire plugin\n")
    plugins = Plugins(path=str(tmp_path))
    result = plugins.add(BRIDGE, one)
    bodies = [BRIDGE, *({"cniVersion": "1.1.0", "name": "net1", **body} for body in CHAIN)]
    for body in bodies[1:]:
        plugins.add(body | {"prevResult": result}, one)
    made = run([str(tmp_path / "iptables-save")])
    rules = [line for line in made.splitlines() if line.startswith("-A ")]
    for rule in rules:
        _restore(tmp_path, "".join(f"{line}\n" for line in made.splitlines() if line != rule))
        assert any(plugins.check(body, one, result) for body in bodies), rule
    _restore(tmp_path, made)
    assert not any(plugins.check(body, one, result) for body in bodies)


def _restore(tools: Path, text: str) -> None:
    subprocess.run([tools / "iptables-restore"], input=text, text=True, check=True)
