"""Cgroups: the machine's own of version 1; of version 2 what an empty tree, and plain files, show."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_runner.container.spec import Resources
from pod_runner.kernel.cgroups import NO_CGROUPS, Cgroups
from pod_runner.kernel.cgroups_v1 import CgroupsV1, shares
from pod_runner.kernel.cgroups_v2 import CgroupsV2

UNIFIED = Path("/sys/fs/cgroup/unified")
PATH = f"/podwire-test-{os.getpid()}/pod"
ALL = Resources(
    cpu_weight=100, cpu_quota=0.5, cpuset="0", memory_limit=1 << 26, memory_reservation=1 << 25,
    memory_swap=0, pids_limit=20, io_weight=500,
)  # fmt: skip
V2_FILES = (
    "cpu.weight", "cpu.max", "cpuset.cpus", "memory.max", "memory.low", "memory.swap.max", "pids.max",
    "io.weight",
)  # fmt: skip
MEASURED = 1.5  # seconds of a busy loop: fifteen of the scheduler's periods
HYBRID = """\
30 20 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 20 0:30 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
32 20 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
is_v1 = isinstance(Cgroups.detect().version, CgroupsV1)
needs_v1 = pytest.mark.skipif(not is_v1, reason="no controllers of cgroup version 1 here")
needs_v2 = pytest.mark.skipif(
    not (UNIFIED / "cgroup.procs").exists(), reason="no cgroup version 2 is mounted there"
)


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    """Return the machine's, and see that nothing of ours is left there."""
    one = Cgroups.detect()
    yield one
    one.kill(PATH)
    one.remove(str(Path(PATH).parent))


@pytest.fixture
def unified() -> Iterator[Cgroups]:
    """Return the machine's tree of version 2, whatever controllers it has."""
    one = Cgroups(CgroupsV2(UNIFIED))
    yield one
    one.kill(PATH)
    one.remove(str(Path(PATH).parent))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Cgroups, Path]:
    """Return a tree of version 2 in a plain folder: its files keep what is written."""
    folder = tmp_path / PATH.lstrip("/")
    folder.mkdir(parents=True)
    for place in (tmp_path, folder.parent):
        (place / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
        (place / "cgroup.subtree_control").touch()
    for name in (
        "cpu.weight",
        "cpu.max",
        "cpuset.cpus",
        "memory.max",
        "memory.low",
        "memory.swap.max",
        "pids.max",
        "io.weight",
    ):
        (folder / name).touch()
    return Cgroups(CgroupsV2(tmp_path)), folder


def test_where_both_versions_are_the_controllers_are_version_1s(tmp_path: Path) -> None:
    text = HYBRID.replace("/sys/fs/cgroup", str(tmp_path))
    for name in ("cpu", "systemd", "unified"):
        (tmp_path / name).mkdir()
    assert Cgroups.detect(text).version == CgroupsV1({"cpu": tmp_path / "cpu", "cpuacct": tmp_path / "cpu"})
    second = "".join(line + "\n" for line in text.splitlines() if "cgroup2" in line)
    assert Cgroups.detect(second).version == CgroupsV2(tmp_path / "unified")
    assert Cgroups.detect(HYBRID.replace("/sys/fs", "/missing")).version is None


def test_without_cgroups_limits_are_named_and_nothing_else_happens() -> None:
    none = Cgroups(None)
    assert none.make(PATH, Resources()) == []
    assert none.make(PATH, ALL) == [NO_CGROUPS]
    assert none.pids(PATH) == []
    assert none.oom_kills(PATH) == 0
    none.kill(PATH)
    none.remove(PATH)


@pytest.mark.parametrize(("weight", "wanted"), [(1, 2), (100, 2597), (10_000, 262_144)])
def test_shares_are_what_runc_turns_into_that_weight(weight: int, wanted: int) -> None:
    assert shares(weight) == wanted
    assert 1 + (wanted - 2) * 9_999 // 262_142 in (weight, weight - 1)  # runc rounds down


@needs_v1
def test_limits_are_in_the_files_of_version_1(cgroups: Cgroups) -> None:
    notes = cgroups.make(PATH, ALL)
    assert isinstance(cgroups.version, CgroupsV1)
    read = {
        name: (cgroups.version.folders[name.split(".")[0]] / PATH.lstrip("/") / name).read_text().strip()
        for name in ("cpu.shares", "cpu.cfs_quota_us", "cpuset.cpus", "memory.limit_in_bytes", "pids.max")
    }
    assert read == {"cpu.shares": "2597", "cpu.cfs_quota_us": "50000", "cpuset.cpus": "0",
                    "memory.limit_in_bytes": str(1 << 26), "pids.max": "20"}  # fmt: skip
    has_weight = (cgroups.version.folders["blkio"] / PATH.lstrip("/") / "blkio.bfq.weight").exists()
    assert has_weight is not any("blkio.bfq.weight=" in note for note in notes)


@needs_v1
def test_a_limit_of_memory_can_be_raised_and_lowered(cgroups: Cgroups) -> None:
    for megabytes in (64, 128, 32):
        notes = cgroups.make(PATH, Resources(memory_limit=megabytes << 20, memory_swap=0))
        assert not any("memory.limit_in_bytes" in note for note in notes)


def test_a_cgroup_with_all_its_processes_ends_and_goes(cgroups: Cgroups) -> None:
    cgroups.make(f"{PATH}/main", Resources())
    with _bombs(cgroups, f"{PATH}/main") as bomb:
        assert len(cgroups.pids(PATH)) >= 3
        assert cgroups.usage(PATH).pids >= 3
        cgroups.kill(PATH)
        assert cgroups.pids(PATH) == []
        assert bomb.wait() == -signal.SIGKILL
    cgroups.remove(PATH)
    cgroups.remove(PATH)


@needs_v2
def test_version_2_ends_all_at_once(unified: Cgroups) -> None:
    unified.make(f"{PATH}/main", Resources())
    with _bombs(unified, f"{PATH}/main") as bomb:
        assert len(unified.pids(PATH)) >= 3
        unified.kill(PATH)
        assert bomb.wait() == -signal.SIGKILL
    assert unified.pids(PATH) == []


def test_limits_are_in_the_files_of_version_2(files: tuple[Cgroups, Path]) -> None:
    cgroups, folder = files
    assert cgroups.make(PATH, ALL) == []
    assert {one.name: one.read_text() for one in folder.iterdir()} == {
        "cpu.weight": "100", "cpu.max": "50000 100000", "cpuset.cpus": "0", "memory.max": str(1 << 26),
        "memory.low": str(1 << 25), "memory.swap.max": "0", "pids.max": "20", "io.weight": "default 500",
    }  # fmt: skip
    assert (folder.parent / "cgroup.subtree_control").read_text().startswith("+")


def test_a_limit_that_version_2_does_not_take_is_named(files: tuple[Cgroups, Path]) -> None:
    cgroups, folder = files
    (folder / "io.weight").unlink()
    assert cgroups.make(PATH, ALL) == ["io.weight=default 500 was not applied: No such file or directory"]


def test_use_is_read_from_the_files_of_version_2(files: tuple[Cgroups, Path]) -> None:
    cgroups, folder = files
    texts = {
        "cpu.stat": "usage_usec 1500\nuser_usec 1000\nthrottled_usec 7\n", "memory.current": "9000\n",
        "memory.stat": "anon 5000\ninactive_file 4000\n", "pids.current": "3\n",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=1\n254:0 rbytes=1 wbytes=2\n",
        "memory.events": "oom 2\noom_kill 1\n",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    assert cgroups.usage(PATH) == (1_500_000, 9000, 5000, 3, 11, 22, 7000)
    assert cgroups.oom_kills(PATH) == 1


@needs_v1
def test_a_quota_of_the_cpu_holds_within_ten_percent(cgroups: Cgroups) -> None:
    cores = 0.1
    cgroups.make(PATH, Resources(cpu_quota=cores))
    started = time.monotonic()
    with _loop(cgroups) as loop:
        used = cgroups.usage(PATH).cpu_ns
        with pytest.raises(subprocess.TimeoutExpired):
            loop.wait(MEASURED)
        passed, usage = time.monotonic() - started, cgroups.usage(PATH)
        cgroups.kill(PATH)
    assert (usage.cpu_ns - used) / 1e9 == pytest.approx(cores * passed, rel=0.1)
    assert usage.throttled_ns > 0


@needs_v1
def test_memory_that_is_used_is_counted(cgroups: Cgroups) -> None:
    cgroups.make(PATH, Resources())
    script = "import sys; kept = bytearray(20 << 20); print('ready', flush=True); sys.stdin.read()"
    enter = f"file = open({_procs(cgroups)!r}, 'w'); file.write('0'); file.close()"
    argv = ["/usr/bin/python3", "-c", f"{enter}; {script}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"ready\n"
        usage = cgroups.usage(PATH)
        assert 20 << 20 <= usage.memory_working_set <= usage.memory_bytes < 40 << 20
        cgroups.kill(PATH)


def _procs(cgroups: Cgroups) -> str:
    assert isinstance(cgroups.version, CgroupsV1)
    return str(cgroups.version.folders["memory"] / PATH.lstrip("/") / "cgroup.procs")


def _bombs(cgroups: Cgroups, path: str) -> subprocess.Popen[bytes]:
    """Start a process that forks for as long as it lives, in the cgroup; return when it has children."""
    script = "read go; while :; do sleep 60 & echo one; sleep 0.01; done"
    one = subprocess.Popen(
        ["/bin/busybox", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert one.stdin is not None
    assert one.stdout is not None
    cgroups.attach(path, one.pid)
    one.stdin.write(b"go\n")
    one.stdin.flush()
    for _ in range(3):
        one.stdout.readline()
    return one


def _loop(cgroups: Cgroups) -> subprocess.Popen[bytes]:
    """Start a process that does nothing but use the CPU, in the cgroup."""
    one = subprocess.Popen(
        ["/bin/busybox", "sh", "-c", "read go; while :; do :; done"], stdin=subprocess.PIPE
    )
    assert one.stdin is not None
    cgroups.attach(PATH, one.pid)
    one.stdin.write(b"go\n")
    one.stdin.flush()
    return one
