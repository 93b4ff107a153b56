"""Programs as commands: each is followed by what it does, not by what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pod_runner.container.container_program import Surroundings, container_program
from pod_runner.container.given import CGROUP_FD, PROCESS_FD
from pod_runner.container.identity import Identity
from pod_runner.container.sandbox_program import sandbox_program
from pod_runner.container.spec import (
    ContainerError,
    ContainerSpec,
    IdMapping,
    Mount,
    RootFs,
    SandboxSpec,
    Security,
    UserNamespace,
)
from pod_runner.kernel.listing import commands
from pod_runner.kernel.steps import fold

POD = SandboxSpec("pod", "podhost", "/podwire/pod")
ROOT = RootFs((Path("/image/b"), Path("/image/a")), Path("/pod/upper"), Path("/pod/work"))
WEB = ContainerSpec("web", ("nginx",), ROOT, "web", {"PATH": "/bin"}, mounts=(Mount(Path("/tmp"), "/data"),))
WHO = Identity(Security(uid=33, gid=33), 0, b"", None)
AROUND = Surroundings(
    POD, (), has_cgroup=True, hierarchies={"": ""}, is_user=False, has_tty_group=True
)  # fmt: skip
KNOWN = {PROCESS_FD: "$PAUSE", CGROUP_FD: "/sys/fs/cgroup/podwire/pod/web"}
ROWS = (IdMapping(0, 1 << 20, 65_536),)


@pytest.fixture
def streams() -> tuple[int, int, int]:
    return 0, 1, 2


def listed(around: Surroundings, spec: ContainerSpec, streams: tuple[int, int, int]) -> list[str]:
    return [one.command for one in commands(container_program(around, spec, WHO, streams), KNOWN)]


def test_a_container_is_listed_in_order_with_its_paths(streams: tuple[int, int, int]) -> None:
    wanted = [
        "echo 0 > /sys/fs/cgroup/podwire/pod/web/cgroup.procs",
        "exec nsenter --target $PAUSE --net --ipc --uts bash",
        "exec unshare --pid --mount --cgroup --fork bash",
        "mount -t overlay -o lowerdir=/image/b:/image/a,upperdir=/pod/upper,workdir=/pod/work overlay $ROOT",
        "mount -t proc -o nosuid,nodev,noexec proc $ROOT/proc",
        "mount -o rbind /tmp $ROOT/data",
        "pivot_root . .",
    ]
    said = listed(AROUND, WEB, streams)
    assert [one for one in said if one in wanted] == wanted
    assert said[-1].endswith("--no-new-privs --clear-groups --regid 33 --reuid 33 nginx")
    assert "?" not in " ".join(said)


def test_ids_of_a_user_namespace_are_said_of_each_copy(streams: tuple[int, int, int]) -> None:
    pod = replace(POD, user_namespace=UserNamespace(ROWS, ROWS))
    said = listed(replace(AROUND, pod=pod, is_user=True), WEB, streams)
    mapped = [one for one in said if "X-mount.idmap=/proc/$PAUSE/ns/user" in one]
    assert any(" /image/a " in one for one in mapped)
    assert any(one.endswith(" /tmp $ROOT/root/data") for one in mapped)
    made = [one.command for one in commands(sandbox_program(pod, (), has_cgroup=False), KNOWN)]
    assert made.index("exec unshare --user bash") < made.index("exec unshare --net --ipc --uts --mount bash")
    assert "# wait for uid_map and gid_map" in made


def test_a_pause_process_executes_nothing_in_an_empty_root() -> None:
    said = [one.command for one in commands(sandbox_program(POD, (), has_cgroup=False), {})]
    assert said[-2:] == [
        "# cd /",
        "exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs sleep infinity",
    ]


def test_a_string_with_a_zero_byte_is_refused(streams: tuple[int, int, int]) -> None:
    with pytest.raises(ContainerError, match="zero byte"):
        listed(AROUND, replace(WEB, argv=("a", "b\0c")), streams)


LOOPS = {
    "names": (["echo 0 > /a/cpu/x", "echo 0 > /a/pids/x", "echo 0 > /a/io/x"],
              ["for one in cpu pids io; do echo 0 > /a/$one/x; done"]),
    "pairs": (["mkdir a", "mount a", "mkdir b", "mount b", "mkdir c", "mount c"],
              ["for one in a b c; do mkdir $one; mount $one; done"]),
    "two are few": (["mkdir a", "mkdir b"], ["mkdir a", "mkdir b"]),
    "quoted": (["echo 'c 1'", "echo 'c 2'", "echo 'c 3'"], ["echo 'c 1'", "echo 'c 2'", "echo 'c 3'"]),
    "unlike": (["mkdir a", "touch b", "ln c"], ["mkdir a", "touch b", "ln c"]),
    "the rest follows": (["cd a", "cd b", "cd c", "ls"], ["for one in a b c; do cd $one; done", "ls"]),
    "nothing": ([], []),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOPS)
def test_lines_that_differ_by_a_name_are_a_loop(case: str) -> None:
    lines, wanted = LOOPS[case]
    assert list(fold(lines)) == wanted
