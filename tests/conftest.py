"""Give every pytest process a world of its own: private mounts, its own network namespace.

Nothing a test makes can reach the machine: named namespaces, reservations, caches and locks lie on a
tmpfs that only this process tree sees, and links, routes, nft tables and sysctls in a namespace that
ends with it (unshare(2), mount_namespaces(7)).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.ways import FOLDER, PROCESS, SOCKET, WAYS, running_agent, write_launchers

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000  # linux/sched.h
MS_REC, MS_PRIVATE = 0x4000, 1 << 18  # linux/mount.h
PRIVATE_FOLDERS = (
    "/run/netns", "/run/podwire", "/run/cni", "/run/flannel", "/var/lib/cni", "/var/lib/podwire", "/etc/cni",
)  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: object) -> None:
    if getattr(libc, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _make_mounts_private() -> None:
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for folder in PRIVATE_FOLDERS:
        Path(folder).mkdir(parents=True, exist_ok=True)
        _call("mount", b"tmpfs", folder.encode(), b"tmpfs", 0, b"mode=755")


def pytest_addoption(parser: pytest.Parser) -> None:
    said = "how plugins are called: as functions, or by a launcher (C or Python's) and an agent"
    parser.addoption("--way", choices=WAYS, default=PROCESS, help=said)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.register_profile("podwire", deadline=None)  # a busy machine is no error
    hypothesis.settings.load_profile("podwire")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it
    os.environ["PODWIRE_AGENT"] = "never"  # no plugin starts one in the background, but where a test asks
    if os.geteuid() == 0:
        _make_mounts_private()
        _call("unshare", CLONE_NEWNET)


def _refuse_agents() -> None:
    """Fail a test that has left an agent behind: some plugin started one in the background."""
    lock = Path("/run/podwire/agent.lock")
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _empty_private_folders() -> None:
    _refuse_agents()
    for folder in PRIVATE_FOLDERS:
        if folder != "/run/netns":  # its files are mounts; whoever made one removes it
            for entry in Path(folder).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.fixture
def host() -> Iterator[None]:
    """Enter a fresh network namespace, the "host" of one test, with lo up; step out afterwards."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    _call("unshare", CLONE_NEWNET)
    os.system("ip link set lo up")
    try:
        yield
    finally:
        _call("setns", before, CLONE_NEWNET)
        os.close(before)
        _empty_private_folders()


@pytest.fixture(autouse=True)
def _way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let an agent serve the test in its own namespace, if that is the way that was asked for."""
    way = request.config.getoption("--way")
    if way == PROCESS:
        yield
        return
    if "host" in request.fixturenames:
        request.getfixturevalue("host")
    folder = tmp_path_factory.getbasetemp() / f"launchers-{way}"
    if not folder.exists():
        write_launchers(folder, way)
    socket = Path("/run/podwire/agent.sock")
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.setenv(SOCKET, str(socket))
    with running_agent(socket) as server:
        yield
        assert not server.counters.rejected, server.counters.rejected
