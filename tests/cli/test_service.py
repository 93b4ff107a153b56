"""`podwire service apply` and `delete`: objects where a node reads its services."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cli.conftest import Cli
from tests.service_proxy.world import service

WEB = service("web", "10.96.0.5")


def test_objects_are_written_into_a_folder_and_removed(cli: Cli, tmp_path: Path) -> None:
    file, folder = tmp_path / "web.yaml", tmp_path / "services"
    file.write_text(yaml.safe_dump_all([WEB, {"kind": "Namespace", "metadata": {"name": "shop"}}]))
    assert cli("service", "apply", "-f", file, "--source", folder).exit_code == 0
    written = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    assert [one["kind"] for one in written] == ["Namespace", "Service"]
    assert cli("service", "delete", "web", "--source", folder).exit_code == 0
    assert cli("service", "delete", "shop", "--kind", "Namespace", "--source", folder).exit_code == 0
    assert list(folder.iterdir()) == []


def test_objects_are_written_into_a_store(cli: Cli, tmp_path: Path) -> None:
    file, store = tmp_path / "web.yaml", f"directory:{tmp_path}/store"
    file.write_text(yaml.safe_dump(WEB))
    assert cli("service", "apply", "-f", file, "--source", store).exit_code == 0
    assert any(path.is_file() for path in (tmp_path / "store").rglob("*"))
    assert cli("service", "delete", "web", "--source", store).exit_code == 0
    gone = cli("service", "delete", "web", "--source", store)
    assert gone.exit_code == 1 and "there is no Service web" in gone.stderr


def test_nothing_is_written_of_a_file_with_one_bad_object(cli: Cli, tmp_path: Path) -> None:
    file, folder = tmp_path / "bad.yaml", tmp_path / "services"
    file.write_text(yaml.safe_dump_all([WEB, service("bad", "10.96.0.300")]))
    refused = cli("service", "apply", "-f", file, "--source", folder)
    assert refused.exit_code == 1 and f"{file}: " in refused.stderr and not folder.exists()
    assert "default/bad" in refused.stderr
