"""`podwire explain` prints what an ADD then does, and does nothing."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from podwire.install.planning import SAMPLES, sample
from tests.calls import REFERENCE_PLUGINS, Container, Plugins, dump, run
from tests.cli.conftest import Cli, said

pytestmark = pytest.mark.usefixtures("host")
BRIDGE = {
    "type": "bridge",
    "bridge": "pw0",
    "isDefaultGateway": True,
    "ipMasq": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.92.0.0/24"}], [{"subnet": "fd00:92::/64"}]]},
}
SUBNET_FILE = Path("/run/flannel/subnet.env")
LEASE = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.51.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
)


def _write(folder: Path, *plugins: object, name: str = "net1") -> Path:
    file = folder / f"{name}.conflist"
    file.write_text(json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins}))
    return file


@pytest.mark.skipif(not REFERENCE_PLUGINS.exists(), reason="no reference IPAM here")
def test_what_is_explained_is_what_add_does(
    tmp_path: Path, cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    file = _write(tmp_path, BRIDGE)
    (explained,) = said(cli("explain", file, "--container-id=c1", "-o", "json"))

    run(["ip", "netns", "add", "c1"])
    try:
        with caplog.at_level(logging.DEBUG, "podwire.kernel"):
            Plugins().add({"cniVersion": "1.0.0", "name": "net1", **BRIDGE}, Container("c1"))
    finally:
        run(["ip", "netns", "del", "c1"])
    done = [record.getMessage() for record in caplog.records]
    told = [line for line in done if line in explained["commands"]]
    assert list(dict.fromkeys(told)) == explained["commands"]  # an operation may be a part of another


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_explained_and_the_machine_stays_as_it_is(
    tmp_path: Path, cli: Cli, name: str
) -> None:
    file = tmp_path / "10.conflist"
    file.write_bytes(sample(name))
    SUBNET_FILE.write_text(LEASE)
    before = dump()

    result = cli("explain", file)

    assert result.exit_code == 0, result.output
    assert "ip link add" in result.stdout and "would give 10." in result.stdout
    assert {line for line in dump() ^ before if not line.startswith("file: ")} == set()
    assert not list(Path("/var/lib/cni/networks").glob("[!.]*/10.*"))


def test_capabilities_change_the_plan(tmp_path: Path, cli: Cli) -> None:
    file = _write(tmp_path, BRIDGE, {"type": "portmap", "capabilities": {"portMappings": True}})
    ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})

    with_ports = said(cli("explain", file, "-o", "json", f"--cap-args={ports}"))[1]
    without = said(cli("explain", file, "-o", "json"))[1]

    assert any("tcp . 8080" in command and "10.92.0.2 . 80" in command for command in with_ports["commands"])
    assert without == {"plugin": "portmap", "commands": [], "remarks": [], "addresses": []}


def test_an_overlay_is_explained_as_its_delegate(tmp_path: Path, cli: Cli) -> None:
    ports = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})
    behind = {"type": "portmap", "capabilities": {"portMappings": True}}
    file = _write(tmp_path, {"type": "flannel", "delegate": {"type": "ptp"}}, behind)

    result = cli("explain", file)
    assert result.exit_code == 1 and "no lease yet" in result.stderr
    SUBNET_FILE.write_text(LEASE)
    overlay, portmap = said(cli("explain", file, "-o", "json", f"--cap-args={ports}"))

    assert any("mtu 1450" in command for command in overlay["commands"])
    assert overlay["plugin"] == "flannel" and "host-local would give 10.244.51.2/24" in overlay["remarks"]
    assert any("10.244.51.2 . 80" in command for command in portmap["commands"])


def test_a_foreign_delegate_stands_for_itself(tmp_path: Path, cli: Cli) -> None:
    SUBNET_FILE.write_text(LEASE)
    (explained,) = said(
        cli("explain", _write(tmp_path, {"type": "overlay", "delegate": {"type": "macvlan"}}), "-o", "json")
    )
    assert explained["commands"] == [] and "macvlan does the work" in explained["remarks"][0]


def test_a_foreign_plugin_stands_for_itself(tmp_path: Path, cli: Cli) -> None:
    (explained,) = said(cli("explain", _write(tmp_path, {"type": "macvlan"}), "-o", "json", "-i", "net7"))

    assert explained["commands"] == ["CNI_COMMAND=ADD CNI_IFNAME=net7 macvlan"]


def test_a_configuration_a_plugin_refuses_is_a_sentence(tmp_path: Path, cli: Cli) -> None:
    result = cli("explain", _write(tmp_path, BRIDGE | {"mtu": "big"}))

    assert result.exit_code == 1 and "mtu: expected a valid integer" in result.stderr


def test_explaining_leaves_no_file(tmp_path: Path, cli: Cli) -> None:
    said(cli("explain", _write(tmp_path, BRIDGE), "-o", "json"))
    assert list(Path("/var/lib/cni").rglob("*")) == []
