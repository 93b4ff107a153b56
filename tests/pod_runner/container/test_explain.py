"""What a pod is, told as commands: made from the programs that start it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pod_runner.container.explain import explain_container, explain_sandbox
from pod_runner.container.spec import ContainerError, ContainerSpec, Mount, RootFs, SandboxSpec

POD = SandboxSpec("pod", "podhost", "/podwire/pod")
ROOT = RootFs((Path("/images/b"), Path("/images/a")), Path("/pod/upper"), Path("/pod/work"))


def test_a_sandbox_is_told_in_the_order_in_which_it_is_made() -> None:
    said = explain_sandbox(POD)
    wanted = ["unshare --net --ipc --uts --mount", "hostname podhost", "ip link set lo up", "pivot_root . ."]
    assert [one for one in said if one in wanted] == wanted
    assert sum(one.startswith("capsh") for one in said) == 1


def test_a_container_is_told_with_its_real_paths() -> None:
    spec = ContainerSpec(
        "web", ("nginx",), ROOT, "web", {"PATH": "/bin"}, mounts=(Mount(Path("/tmp"), "/data"),)
    )
    said = explain_container(POD, spec)
    wanted = [
        "nsenter --net --ipc --uts",
        "unshare --pid --mount --cgroup",
        "mount -t overlay -o lowerdir=/images/b:/images/a,upperdir=/pod/upper,workdir=/pod/work overlay /sys",
        "mount -t proc proc /proc",
        "mount -o rbind /tmp /data",
        "load the seccomp filter",
        "exec /bin/nginx",
    ]
    assert list(dict.fromkeys(one for one in wanted if one in said)) == wanted
    assert "/proc/self/fd/8" not in "".join(said)


def test_a_string_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(ContainerError, match="zero byte"):
        explain_container(POD, ContainerSpec("web", ("a", "b\0c"), ROOT, "web"))
