"""`podwire inspect` shows what ip(8), nft(8) and the file system show, with its owner."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwire.install.launchers import launcher
from tests.cli.conftest import Cli, said

pytestmark = pytest.mark.usefixtures("host")
LIST = {
    "cniVersion": "1.0.0",
    "name": "net1",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pw0",
            "isDefaultGateway": True,
            "ipMasq": True,
            "ipam": {"type": "host-local", "subnet": "10.91.0.0/24"},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
PORTS = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]})


@pytest.fixture
def attached(tmp_path: Path, cli: Cli) -> Iterator[list[str]]:
    """Attach container c1 by our own plugins; yield the options that say where things are."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "net.d").mkdir()
    for name in ("bridge", "host-local", "portmap"):
        (tmp_path / "bin" / name).write_bytes(launcher(name))
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "net.d" / "net1.conflist").write_text(json.dumps(LIST))
    options = [
        f"--conf-dir={tmp_path}/net.d", f"--cni-path={tmp_path}/bin", f"--cache-dir={tmp_path}/cache",
        "--container-id=c1", f"--cap-args={PORTS}",
    ]  # fmt: skip
    subprocess.run(["ip", "netns", "add", "c1"], check=True)
    result = cli("cni", "add", "net1", "c1", *options)
    assert result.exit_code == 0, result.output
    yield options
    cli("cni", "del", "net1", "c1", *options)
    subprocess.run(["sh", "-c", "ip netns del c1 2>/dev/null || true"], check=True)


def _objects(cli: Cli, subject: str, tmp_path: Path) -> list[dict[str, Any]]:
    result = cli("inspect", subject, f"--cache-dir={tmp_path}/cache", "-o", "json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = said(result)["objects"]
    return found


def _names(objects: list[dict[str, Any]], where: str, kind: str) -> list[str]:
    return [one["name"] for one in objects if (one["where"], one["kind"]) == (where, kind)]


@pytest.mark.parametrize("subject", ["c1", "/run/netns/c1"])
def test_everything_an_attachment_owns_is_shown(
    attached: list[str], cli: Cli, tmp_path: Path, subject: str
) -> None:
    objects = _objects(cli, subject, tmp_path)

    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    assert _names(objects, "host", "link") == [
        one["ifname"] for one in links if one["ifname"].startswith("veth")
    ]
    assert set(_names(objects, "container", "link")) == {"lo", "eth0"}
    assert "10.91.0.2/24" in _names(objects, "container", "address")
    assert {"0.0.0.0/0", "10.91.0.0/24"} <= set(_names(objects, "container", "route"))
    assert _names(objects, "file", "reservation") == ["10.91.0.2"]
    assert _names(objects, "file", "result") == ["net1"]


def test_nft_elements_are_those_that_nft_shows_with_the_owners_comment(
    attached: list[str], cli: Cli, tmp_path: Path
) -> None:
    objects = _objects(cli, "c1", tmp_path)

    text = subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True, text=True).stdout
    count = text.count('comment "net1 c1 eth0"')
    assert count > 0
    assert len(_names(objects, "host", "nft element")) + len(_names(objects, "host", "nft rule")) == count
    assert {one["owner"] for one in objects if one["kind"] == "nft element"} == {"net1 c1 eth0"}


def test_shaping_is_shown(cli: Cli, tmp_path: Path, attached: list[str]) -> None:
    for link in json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout):
        if link["ifname"].startswith("veth"):
            shape = f"tc qdisc add dev {link['ifname']} root tbf rate 1mbit burst 32kbit latency 25ms"
            subprocess.run(shape.split(), check=True)

    assert [name.split()[0] for name in _names(_objects(cli, "c1", tmp_path), "host", "qdisc")] == ["tbf"]


def test_a_container_is_found_without_its_cache_and_without_its_namespace(
    attached: list[str], cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "cache" / "results" / "net1-c1-eth0").unlink()
    by_link = _objects(cli, "c1", tmp_path)
    assert _names(by_link, "host", "link") and _names(by_link, "container", "link")

    assert _names(_objects(cli, "/run/netns/c1", tmp_path), "file", "reservation") == ["10.91.0.2"]


def test_a_table_is_printed_for_people(attached: list[str], cli: Cli, tmp_path: Path) -> None:
    result = cli("inspect", "c1", f"--cache-dir={tmp_path}/cache")

    assert "reservation" in result.stdout and "net1 c1 eth0" in result.stdout


def test_what_nobody_knows_is_a_sentence(cli: Cli, tmp_path: Path) -> None:
    result = cli("inspect", "nobody", f"--cache-dir={tmp_path}/cache")

    assert result.exit_code == 1 and result.stderr.startswith("podwire: nothing is known of nobody")


REFERENCE = "/usr/lib/cni"


@pytest.mark.skipif(not os.path.exists(REFERENCE), reason="no reference plugins here")  # noqa: PTH110
def test_iptables_rules_of_the_reference_are_shown(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.d").mkdir()
    (tmp_path / "net.d" / "net1.conflist").write_text(json.dumps(LIST))
    options = [
        f"--conf-dir={tmp_path}/net.d", f"--cni-path={REFERENCE}", f"--cache-dir={tmp_path}/cache",
        "--container-id=c1", f"--cap-args={PORTS}",
    ]  # fmt: skip
    subprocess.run(["ip", "netns", "add", "c1"], check=True)
    try:
        assert cli("cni", "add", "net1", "c1", *options).exit_code == 0
        rules = [one for one in _objects(cli, "c1", tmp_path) if one["kind"] == "iptables rule"]
        assert any("-s 10.91.0.2/32" in one["detail"] for one in rules)
        assert any("--to-destination 10.91.0.2:80" in one["detail"] for one in rules)
        cli("cni", "del", "net1", "c1", *options)
    finally:
        subprocess.run(["ip", "netns", "del", "c1"], check=True)
