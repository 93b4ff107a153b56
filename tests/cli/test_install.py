"""Install and uninstall: nothing of another project is lost, and everything comes back as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cni_plugins.registry import PLUGIN_TYPES
from podwire.install.launchers import is_launcher
from podwire.install.manifest import STATE_DIRECTORY
from tests.cli.conftest import Cli, said


@pytest.fixture
def target(tmp_path: Path) -> Path:
    shutil.rmtree(STATE_DIRECTORY, ignore_errors=True)  # on a tmpfs of this process
    (tmp_path / "bin").mkdir()
    (tmp_path / "net.d").mkdir()
    return tmp_path / "bin"


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir()}


def test_every_plugin_gets_an_executable_that_answers(target: Path, cli: Cli) -> None:
    result = cli("install", "--to", target)

    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in target.iterdir()) == sorted(PLUGIN_TYPES)
    loopback = target / "loopback"
    assert is_launcher(loopback) and loopback.stat().st_mode & 0o777 == 0o755
    environment = {"CNI_COMMAND": "VERSION", "PATH": os.environ["PATH"]}
    done = subprocess.run([loopback], env=environment, input=b"{}", capture_output=True, check=True)
    assert "1.1.0" in json.loads(done.stdout)["supportedVersions"]


def test_a_second_install_changes_nothing(target: Path, cli: Cli) -> None:
    cli("install", "--to", target)
    before = {path: path.stat().st_ino for path in target.iterdir()}

    result = cli("install", "--to", target, "-o", "json")

    assert {path: path.stat().st_ino for path in target.iterdir()} == before
    assert all(action.startswith("leave ") for action in said(result)["actions"])


def test_uninstall_leaves_the_directory_as_it_was(target: Path, cli: Cli) -> None:
    (target / "calico").write_text("another's")
    before = _snapshot(target)
    cli("install", "--to", target)

    assert cli("uninstall", "--to", target).exit_code == 0
    assert _snapshot(target) == before
    assert not list(STATE_DIRECTORY.iterdir())


def test_another_projects_file_stops_the_install_before_anything_is_changed(target: Path, cli: Cli) -> None:
    (target / "bridge").write_text("the reference's")
    before = _snapshot(target)

    result = cli("install", "--to", target)

    assert result.exit_code == 1 and _snapshot(target) == before
    assert f"not ours: {target}/bridge; --force" in result.stderr and result.stderr.count("\n") == 1


def test_force_keeps_another_projects_file_and_uninstall_restores_it(target: Path, cli: Cli) -> None:
    (target / "bridge").write_text("the reference's")
    (target / "bridge").chmod(0o751)
    (target / "ptp").symlink_to("bridge")
    before = _snapshot(target)

    assert cli("install", "--to", target, "--force").exit_code == 0
    assert (target / "bridge.podwire-backup").read_text() == "the reference's"
    assert cli("install", "--to", target, "--force").exit_code == 0

    cli("uninstall", "--to", target)
    assert _snapshot(target) == before and (target / "ptp").is_symlink()


def test_a_file_someone_replaced_since_is_left_by_uninstall(target: Path, cli: Cli) -> None:
    cli("install", "--to", target)
    (target / "bridge").write_text("a newer one")

    result = cli("uninstall", "--to", target)

    assert _snapshot(target).keys() == {"bridge"}
    assert f"leave {target}/bridge: it was changed since" in result.stdout


def test_a_backup_is_never_written_over(target: Path, cli: Cli) -> None:
    (target / "bridge").write_text("new")
    (target / "bridge.podwire-backup").write_text("old")

    result = cli("install", "--to", target, "--force")

    assert result.exit_code == 1 and "is in the way" in result.stderr
    assert (target / "bridge").read_text() == "new" and (
        target / "bridge.podwire-backup"
    ).read_text() == "old"


def test_an_install_killed_between_two_steps_can_be_repeated_or_taken_away(target: Path, cli: Cli) -> None:
    (target / "bridge").write_text("the reference's")
    cli("install", "--to", target, "--force")
    (target / "bridge.podwire-backup").rename(target / "bridge")
    (target / "bridge.podwire-backup").hardlink_to(target / "bridge")  # backed up, not yet written over

    assert cli("install", "--to", target, "--force", "--dry-run").exit_code == 0
    cli("uninstall", "--to", target)
    assert _snapshot(target).keys() == {"bridge"}
    assert (target / "bridge").read_text() == "the reference's"


def test_a_rehearsal_changes_nothing(target: Path, cli: Cli) -> None:
    result = cli("install", "--to", target, "--dry-run")

    assert result.exit_code == 0 and f"write {target}/bridge" in result.stdout
    assert list(target.iterdir()) == [] and not STATE_DIRECTORY.exists()


def test_uninstall_without_an_install_does_nothing(target: Path, cli: Cli) -> None:
    (target / "bridge").write_text("another's")

    assert cli("uninstall", "--to", target).exit_code == 0
    assert (target / "bridge").read_text() == "another's"


@pytest.mark.parametrize("name", ["bridge", "ptp", "podman"])
def test_a_sample_configuration_is_installed_and_taken_away(target: Path, cli: Cli, name: str) -> None:
    conf_dir = target.parent / "net.d"

    assert cli("install", "--to", target, "--conflist", name, "--conf-dir", conf_dir).exit_code == 0
    assert [path.name for path in conf_dir.iterdir()] == [f"10-podwire-{name}.conflist"]
    assert json.loads((conf_dir / f"10-podwire-{name}.conflist").read_text())["plugins"]

    cli("uninstall", "--to", target)
    assert list(conf_dir.iterdir()) == []


def test_a_list_of_ones_own_is_installed_and_taken_away(target: Path, cli: Cli) -> None:
    conf_dir, own = target.parent / "net.d", target.parent / "05-mine.conflist"
    own.write_text('{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "ptp"}]}')

    assert cli("install", "--to", target, "--conflist", own, "--conf-dir", conf_dir).exit_code == 0
    assert (conf_dir / own.name).read_bytes() == own.read_bytes()

    cli("uninstall", "--to", target)
    assert list(conf_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("05-mine.conflist", '{"cniVersion": "1.0.0", "name": "mine", "plugins": []}', "at least one"),
        ("05-mine.conflist", "{", "JSON"),
        ("05-mine.json", "{}", "*.conflist"),
        ("absent.conflist", None, "No such file"),
    ],
)
def test_what_is_no_list_is_not_installed(
    target: Path, cli: Cli, name: str, text: str | None, reason: str
) -> None:
    own = target.parent / name
    if text is not None:
        own.write_text(text)

    result = cli("install", "--to", target, "--conflist", own, "--conf-dir", target.parent / "net.d")

    assert result.exit_code == 1 and reason in result.stderr, result.stderr
    assert list(target.iterdir()) == [] == list((target.parent / "net.d").iterdir())


def test_a_configuration_that_was_edited_stays(target: Path, cli: Cli) -> None:
    conf_dir = target.parent / "net.d"
    cli("install", "--to", target, "--conflist", "ptp", "--conf-dir", conf_dir)
    (conf_dir / "10-podwire-ptp.conflist").write_text("{}")

    cli("uninstall", "--to", target)
    assert (conf_dir / "10-podwire-ptp.conflist").read_text() == "{}"


def test_what_cannot_be_written_is_one_sentence(target: Path, cli: Cli) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(target)], check=True)
    try:
        result = cli("install", "--to", target)
    finally:
        subprocess.run(["umount", str(target)], check=True)
    assert result.exit_code == 1
    assert result.stderr == f"podwire: nothing can be installed in {target}: its file system is read-only\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to=/no/such"], "there is no directory /no/such"),
        (["--conflist=nope"], 'there is no sample "nope"'),
        (["--conflist=ptp", "--conf-dir=/no/conf"], "there is no directory /no/conf"),
    ],
)
def test_wrong_places_are_said_before_anything_is_written(
    target: Path, cli: Cli, arguments: list[str], reason: str
) -> None:
    result = cli("install", "--to", target, *arguments)

    assert result.exit_code == 1 and reason in result.stderr and list(target.iterdir()) == []


def test_a_node_with_pods_gets_a_drop_in_that_lets_them_outlive_the_agent(target: Path, cli: Cli) -> None:
    units = target.parent / "units"
    units.mkdir()

    result = cli("install", "--to", target, "--systemd", "--runner", "--unit-dir", units)

    assert result.exit_code == 0, result.output
    drop_in = (units / "podwire-agent.service.d" / "runner.conf").read_text()
    assert "KillMode=process\n" in drop_in and "Delegate=yes\n" in drop_in
    assert cli("uninstall", "--to", target).exit_code == 0
    assert not list((units / "podwire-agent.service.d").iterdir())


def test_the_agents_units_are_put_in_place_and_taken_away(target: Path, cli: Cli) -> None:
    units = target.parent / "units"
    units.mkdir()

    result = cli("install", "--to", target, "--systemd", "--unit-dir", units)

    assert result.exit_code == 0 and "systemctl enable --now podwire-agent.socket" in result.stderr
    service = (units / "podwire-agent.service").read_text()
    assert f"ExecStart={sys.executable} -I -m podwire.agent\n" in service
    assert "ListenStream=/run/podwire/agent.sock\n" in (units / "podwire-agent.socket").read_text()
    if shutil.which("systemd-analyze"):
        command = ["systemd-analyze", "verify", str(units / "podwire-agent.service")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "podwire-agent" not in done.stderr, done.stderr
    cli("uninstall", "--to", target)
    assert list(units.iterdir()) == []


@pytest.mark.parametrize("kind", ["c", "python"])
def test_either_launcher_can_be_asked_for(target: Path, cli: Cli, kind: str) -> None:
    assert cli("install", "--to", target, "--launcher", kind).exit_code == 0

    head = (target / "bridge").read_bytes()[:4]
    assert head == (b"\x7fELF" if kind == "c" else b"#!" + sys.executable.encode()[:2])


def test_without_a_compiler_the_python_launcher_is_written(
    target: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.install.launchers.BINARY", target / "was-never-built")

    result = cli("install", "--to", target)
    refused = cli("install", "--to", target, "--launcher", "c")

    assert "the launchers are Python's" in result.stderr and is_launcher(target / "bridge")
    assert refused.exit_code == 1 and "install gcc and libc6-dev" in refused.stderr
