"""`podwire ipam` shows who holds which address, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, said
from tests.ipam_world import World, files


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    alive = tmp_path / "netns"
    alive.touch()
    world.add("c1", netns=str(alive))
    world.add("c2", netns=str(tmp_path / "gone"), name="db-0")
    return world


def test_list_names_who_holds_what(world: World, cli: Cli) -> None:
    rows = said(cli("ipam", "list", "--data-dir", world.folder, "-o", "json"))["reservations"]
    assert [
        (row["network"], row["address"], row["state"], row["container"], row["ifname"]) for row in rows
    ] == [
        ("net", "10.1.0.2", "taken", "c1", "eth0"),
        ("net", "10.1.0.3", "taken", "c2", "eth0"),
    ]
    assert rows[0]["netns"] == str(world.folder / "netns") and rows[1]["rememberedFor"] == "db-0"
    table = cli("ipam", "list", "net", "--data-dir", world.folder).stdout
    assert "10.1.0.3" in table and "c2" in table and "CONTAINER" in table


def test_what_is_remembered_or_cools_is_listed_as_such(world: World, cli: Cli) -> None:
    world.cooldown = 1e9
    world.delete("c1")
    world.cooldown = 0
    world.delete("c2")
    rows = said(cli("ipam", "list", "--data-dir", world.folder, "-o", "json"))["reservations"]
    states = {row["address"]: row["state"] for row in rows}
    assert states == {"10.1.0.2": "cooling", "10.1.0.3": "remembered"}
    assert cli("ipam", "list", "--data-dir", world.folder).stdout.count("cooling") == 1, "to look is no harm"


def test_show_tells_of_an_address_and_of_a_container(world: World, cli: Cli) -> None:
    for what in ("10.1.0.3", "c2"):
        (row,) = said(cli("ipam", "show", "net", what, "--data-dir", world.folder, "-o", "json"))[
            "reservations"
        ]
        assert (row["address"], row["container"]) == ("10.1.0.3", "c2")
    failed = cli("ipam", "show", "net", "10.9.9.9", "--data-dir", world.folder)
    assert failed.exit_code == 1 and "nothing is known of 10.9.9.9" in failed.stderr


def test_release_gives_back_what_is_named(world: World, cli: Cli) -> None:
    released = said(cli("ipam", "release", "net", "c2", "--data-dir", world.folder, "-o", "json"))
    assert released == {"network": "net", "released": ["10.1.0.3"]}
    assert sorted(files(world.path)) == ["10.1.0.2"]
    assert cli("ipam", "release", "net", "10.1.0.3", "--data-dir", world.folder).exit_code == 0


def test_release_spares_a_container_that_is_alive(world: World, cli: Cli) -> None:
    refused = cli("ipam", "release", "net", "10.1.0.2", "--data-dir", world.folder)
    assert refused.exit_code == 1 and "and its namespace" in refused.stderr
    assert cli("ipam", "release", "net", "10.1.0.2", "--force", "--data-dir", world.folder).exit_code == 0
    assert sorted(files(world.path)) == ["10.1.0.3"]


def test_a_network_that_is_not_there_is_named(world: World, cli: Cli) -> None:
    failed = cli("ipam", "list", "other", "--data-dir", world.folder)
    assert failed.exit_code == 1 and "there are: net" in failed.stderr


def test_check_finds_empty_damaged_foreign_and_orphaned_files(world: World, cli: Cli) -> None:
    (world.path / "10.1.0.50").touch()
    (world.path / "10.1.0.51").write_text("no container/id\r\neth0")
    (world.path / "notes.txt").write_text("do not forget")
    result = cli("ipam", "check", "--data-dir", world.folder, "--cache-dir", world.folder, "-o", "json")
    assert result.exit_code == 1
    problems = {row["name"]: row["problem"].split(":")[0] for row in said(result)["problems"]}
    assert problems["10.1.0.50"] == "is empty" and problems["notes.txt"] == "is no address"
    assert problems["10.1.0.3"] == "held by c2 eth0"
    assert "10.1.0.2" not in problems and "10.1.0.51" in problems


def test_check_is_quiet_where_all_is_well(world: World, cli: Cli) -> None:
    world.delete("c2")
    result = cli("ipam", "check", "--data-dir", world.folder, "--cache-dir", world.folder, "-o", "json")
    assert (result.exit_code, said(result)) == (0, {"problems": []})


def test_check_asks_libcnis_cache_for_namespaces(world: World, cli: Cli) -> None:
    world.delete("c2")
    (world.path / "10.1.0.9").write_text("other\r\neth0")
    cached = {"kind": "cniCacheV1", "containerId": "other", "ifName": "eth0", "networkName": "net",
              "netns": str(world.folder / "netns")}  # fmt: skip
    cache = world.folder / "cache"
    (cache / "results").mkdir(mode=0o700, parents=True)
    (cache / "results" / "net-other-eth0").write_text(json.dumps(cached))
    result = cli("ipam", "check", "net", "--data-dir", world.folder, "--cache-dir", cache, "-o", "json")
    assert said(result)["problems"] == []
