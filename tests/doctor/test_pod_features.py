"""What the runner needs: which controllers there are is read from the mounts, the rest is tried."""

from __future__ import annotations

from pathlib import Path

from podwire.doctor.pod_features import judge_controllers, judge_resource_right, look_at_pods
from podwire.doctor.verdict import State

V1 = "30 24 0:27 / {folder}/{name} rw,nosuid shared:9 - cgroup cgroup rw,{name}\n"
V2 = "31 24 0:28 / {folder}/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_a_hybrid_hosts_controllers_are_found_in_both_versions(tmp_path: Path) -> None:
    for name in ("memory", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("cpu io\n")
    mounts = V1.format(folder=tmp_path, name="memory") + V2.format(folder=tmp_path)
    states = {one.name: one.state for one in judge_controllers(mounts)}
    assert states == {
        "cgroup cpu": State.FINE, "cgroup memory": State.FINE, "cgroup pids": State.LACKING,
        "cgroup cpuset": State.LACKING, "cgroup io": State.FINE,
    }  # fmt: skip


def test_the_right_to_protect_processes_is_read_from_the_effective_set() -> None:
    assert judge_resource_right("Name:\tx\nCapEff:\t000001ffffffffff\n").state is State.FINE
    assert judge_resource_right("CapEff:\t000001fffeffffff\n").state is State.LACKING


def test_this_machine_is_looked_at_and_nothing_is_left() -> None:
    before = Path("/proc/self/ns/user").readlink()
    names = [one.name for one in look_at_pods()]
    assert {"cgroup memory", "user namespaces, made", "libseccomp"} <= set(names)
    assert Path("/proc/self/ns/user").readlink() == before
