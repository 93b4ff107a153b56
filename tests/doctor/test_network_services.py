"""systemd-networkd, udev and NetworkManager, by files below a root of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from podwire.doctor.checkup import seen_by
from podwire.doctor.host_files import HostFiles
from podwire.doctor.network_services import look_at_link_files, look_at_network_manager, look_at_networkd
from podwire.doctor.verdict import State
from tests.calls import run
from tests.doctor.looks import worst

Plant = Callable[[str, str], HostFiles]
DEFAULT_LINK = "[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel\nMACAddressPolicy=persistent\n"


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Return a function that writes a file below a root, and returns that root's files."""
    for sign in ("run/systemd/netif/state", "run/udev/control", "run/NetworkManager/pid"):
        (tmp_path / sign).parent.mkdir(parents=True)
        (tmp_path / sign).touch()

    def write(path: str, text: str) -> HostFiles:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return HostFiles(tmp_path)

    return write


def test_nothing_that_runs_is_fine(tmp_path: Path) -> None:
    for look in (look_at_networkd, look_at_link_files, look_at_network_manager):
        assert worst(look(HostFiles(tmp_path))).state is State.FINE


def test_networkd_removes_foreign_routes_unless_it_is_told_not_to(plant: Plant) -> None:
    files = plant("etc/systemd/networkd.conf", "[Network]\n#ManageForeignRoutes=yes\n")
    assert worst(look_at_networkd(files)).state is State.RISKY

    plant("etc/systemd/networkd.conf", "[Network]\nManageForeignRoutes=no\n")
    assert worst(look_at_networkd(files)).found == "ManageForeignRoutingPolicyRules=yes"
    plant("usr/lib/systemd/networkd.conf.d/10-x.conf", "[Network]\nManageForeignRoutingPolicyRules=false\n")
    assert worst(look_at_networkd(files)).state is State.FINE


def test_a_later_drop_in_counts_and_etc_hides_the_vendors_file(plant: Plant) -> None:
    both = "[Network]\nManageForeignRoutes={0}\nManageForeignRoutingPolicyRules={0}\n"
    plant("usr/lib/systemd/networkd.conf.d/20-x.conf", both.format("no"))
    files = plant("etc/systemd/networkd.conf.d/10-x.conf", both.format("yes"))
    assert worst(look_at_networkd(files)).state is State.FINE

    plant("etc/systemd/networkd.conf.d/20-x.conf", "")
    assert worst(look_at_networkd(files)).state is State.RISKY


@pytest.mark.parametrize("look", [look_at_networkd, look_at_link_files, look_at_network_manager])
def test_the_command_given_writes_a_file_that_mends_it(look: Callable, plant: Plant, tmp_path: Path) -> None:  # type: ignore[type-arg]
    files = plant("usr/lib/systemd/network/99-default.link", DEFAULT_LINK)
    verdict = worst(look(files))
    assert verdict.state is State.RISKY
    for folder in ("etc/systemd/network", "etc/NetworkManager/conf.d"):
        (tmp_path / folder).mkdir(parents=True)
    writing = verdict.advice.replace("/etc/", f"{tmp_path}/etc/").rpartition(";")[0]
    run(["sh", "-ec", writing])

    assert worst(look(files)).state is State.FINE


@pytest.mark.parametrize(
    "match", ["OriginalName=eth*", "OriginalName=!flannel*", "Type=wlan", "MACAddress=02:00:00:00:00:01", ""]
)
def test_a_link_file_for_other_devices_is_passed_over(match: str, plant: Plant) -> None:
    files = plant("etc/systemd/network/10.link", f"[Match]\n{match}\n[Link]\nMACAddressPolicy=random\n")

    assert worst(look_at_link_files(files)).state is State.FINE


def test_network_manager_is_told_by_name(plant: Plant) -> None:
    files = plant("etc/NetworkManager/NetworkManager.conf", "[main]\nplugins=keyfile\n")
    assert worst(look_at_network_manager(files)).state is State.RISKY

    listed = "[keyfile]\nunmanaged-devices=interface-name:veth*,interface-name:cni*\n"
    plant("etc/NetworkManager/conf.d/cni.conf", listed)
    assert worst(look_at_network_manager(files)).found == "it manages flannel.1"
    plant("usr/lib/NetworkManager/conf.d/z.conf", "[keyfile]\nunmanaged-devices+=interface-name:flannel*\n")
    assert worst(look_at_network_manager(files)).state is State.FINE


def test_a_file_that_is_no_ini_is_named(plant: Plant) -> None:
    files = plant("etc/systemd/networkd.conf", "ManageForeignRoutes=no\n")
    verdict = worst(seen_by("systemd-networkd", lambda: look_at_networkd(files)))

    assert verdict.state is State.UNSEEN and "networkd.conf" in verdict.found
