"""What a container sees and may, looked at from inside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pod_runner.container.spec import ContainerError, Network, Resources, RootFs, Security
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.kernel.cgroups_v1 import CgroupsV1
from tests.pod_runner.container.world import World

MEGABYTE = 1 << 20
HARMLESS = {"overlay", "proc", "tmpfs", "devpts", "mqueue"}  # file systems that are the container's own
has_devices = isinstance(Cgroups.detect().version, CgroupsV1)


def test_a_container_has_its_own_process_1_and_sees_no_other(world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "echo $$; cd /proc; echo [0-9]*")
    assert done.output == "1\n1\n"


def test_containers_that_share_processes_have_pause_as_process_1(world: World) -> None:
    with world.pod(share_pid=True) as pod:
        done = world.run(pod, "cat /proc/1/comm; echo $$; ls /proc/1/root; readlink /proc/1/exe")
    name, own, root, program = done.output.splitlines()
    assert (name, root) == ("pause", "shm")
    assert int(own) > 1
    assert program.startswith("/memfd:")


def test_a_containers_hostname_is_the_pods(world: World) -> None:
    before = os.uname().nodename
    with world.pod() as pod:
        done = world.run(pod, "hostname; hostname other")
    assert done.output.startswith("podhost\nhostname: sethostname: Operation not permitted")
    assert os.uname().nodename == before


def test_a_containers_mounts_are_its_own_and_none_is_the_nodes(world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "cat /proc/self/mountinfo")
    lines = [line.split(" - ") for line in done.output.splitlines()]
    writable = [kind.split()[0] for mount, kind in lines if "rw" in mount.split()[5].split(",")]
    assert set(writable) <= HARMLESS
    assert str(world.folder) not in done.output


def test_nothing_of_the_node_can_be_written_where_its_root_is_the_image(world: World) -> None:
    script = (
        "for f in /etc/passwd /usr/x /proc/sys/kernel/domainname /sys/kernel/x /proc/sysrq-trigger /x; do "
        "(echo x > $f) 2>/dev/null && echo $f; done"
    )
    with world.pod() as pod:
        done = world.run(pod, script, root=RootFs((Path("/"),), None, None), env={"PATH": "/usr/bin:/bin"})
    assert done.output == ""


def test_what_is_hidden_of_a_root_is_empty(world: World) -> None:
    (world.image / "secret").mkdir()
    (world.image / "secret" / "key").write_text("k")
    (world.image / "shadow").write_text("s")
    root = RootFs((world.image,), *_written(world), hidden=("/secret", "/shadow", "/missing"))
    with world.pod() as pod:
        done = world.run(pod, "ls /secret; cat /shadow; touch /secret/x", root=root)
    assert done.output == "touch: /secret/x: Read-only file system\n"


def test_memory_beyond_the_limit_is_an_oom_kill_and_said(world: World) -> None:
    limits = Resources(memory_limit=24 * MEGABYTE, memory_swap=0)
    with world.pod() as pod:
        done = world.run(pod, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", resources=limits)
        assert done.code == -9
        assert Cgroups.detect().oom_kills(pod.spec.cgroup) == 1


def test_no_more_processes_than_the_limit_can_be_made(world: World) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait"
    with world.pod() as pod:
        done = world.run(pod, script, resources=Resources(pids_limit=4))
    assert "can't fork" in done.output


def test_no_capability_outside_the_set_is_held(world: World) -> None:
    wanted = frozenset({"CHOWN", "NET_BIND_SERVICE"})
    with world.pod() as pod:
        done = world.run(pod, "grep Cap /proc/self/status", security=Security(capabilities=wanted))
    held = dict(line.split(":\t") for line in done.output.splitlines())
    assert held == {"CapInh": "0" * 16, "CapPrm": f"{0x401:016x}", "CapEff": f"{0x401:016x}",
                    "CapBnd": f"{0x401:016x}", "CapAmb": "0" * 16}  # fmt: skip


def test_a_user_has_its_ids_and_groups_and_no_capability(world: World) -> None:
    who = Security(uid=1000, gid=1001, groups=(7, 8))
    with world.pod() as pod:
        done = world.run(
            pod, "id; grep CapEff /proc/self/status; touch /x; echo heard > /dev/stdout", security=who
        )
    said = "uid=1000 gid=1001 groups=7,8\nCapEff:\t" + "0" * 16 + "\ntouch: /x: Permission denied\nheard\n"
    assert done.output == said


def test_no_program_gives_more_than_its_caller_has(world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "grep NoNewPrivs /proc/self/status")
        may = world.run(pod, "grep NoNewPrivs /proc/self/status", security=Security(no_new_privileges=False))
    assert (done.output, may.output) == ("NoNewPrivs:\t1\n", "NoNewPrivs:\t0\n")


@pytest.mark.parametrize(
    "call", ["unshare -U true", "mount -t tmpfs x /tmp", "umount /proc", "nsenter -t 1 -u true"]
)
@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_forbidden_system_calls_are_refused(world: World, call: str, *, no_new_privileges: bool) -> None:
    # All capabilities but SYS_ADMIN: it is the filter that refuses to make a user namespace
    with world.pod() as pod:
        done = world.run(pod, f"mkdir /tmp; {call}", security=Security(no_new_privileges=no_new_privileges))
    assert done.code != 0
    assert "permitted" in done.output or "denied" in done.output


def test_a_profile_of_ones_own_is_applied(world: World) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}
    killing = {"names": ["symlink", "symlinkat"], "action": "SCMP_ACT_KILL_PROCESS"}
    file = world.folder / "profile.json"
    file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule, killing]}))
    with world.pod() as pod:
        done = world.run(pod, "mkdir /x; ln -s a /b", security=Security(seccomp=str(file)))
        free = world.run(pod, "unshare -U true && echo may", security=Security(seccomp="Unconfined"))
    assert "Read-only file system" in done.output
    assert done.code == -31  # SIGSYS
    assert free.output == "may\n"


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"defaultAction": "SCMP_ACT_NOTIFY"}', '{"defaultAction": 3}']
)
def test_a_malformed_profile_is_refused_with_its_name(world: World, text: str) -> None:
    file = world.folder / "profile.json"
    file.write_text(text)
    with world.pod() as pod, pytest.raises(ContainerError, match=r"seccomp"):
        world.run(pod, "true", "x", security=Security(seccomp=str(file)))


@pytest.mark.skipif(not has_devices, reason="no devices controller of cgroup version 1")
def test_a_device_that_is_not_allowed_cannot_be_opened_though_made(world: World) -> None:
    with world.pod() as pod:
        done = world.run(
            pod, "mknod /disk b 254 0 && dd if=/disk of=/dev/null count=1; echo x > /dev/null && echo fine"
        )
    assert "can't open '/disk': Operation not permitted" in done.output
    assert done.output.endswith("fine\n")


def test_masked_paths_are_empty_and_read_only_ones_cannot_be_written(world: World) -> None:
    script = (
        "cat /proc/keys /proc/timer_list; ls /sys/firmware; "
        "for f in /proc/sys/vm/swappiness /proc/irq/default_smp_affinity; do echo 1 > $f; done"
    )
    with world.pod() as pod:
        done = world.run(pod, script)
    assert done.output.count("Read-only file system") == 2
    assert len(done.output.splitlines()) == 2


def test_a_read_only_root_can_be_written_only_where_something_is_mounted(world: World) -> None:
    with world.pod() as pod:
        done = world.run(
            pod, "touch /x; touch /dev/shm/x && pwd", cwd="/made/here", security=Security(read_only_root=True)
        )
    assert done.output == "touch: /x: Read-only file system\n/made/here\n"


def test_a_privileged_container_may_what_podwire_may(world: World) -> None:
    own = next(
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapPrm")
    )
    with world.pod() as pod:
        done = world.run(
            pod, "grep -E 'CapEff|Seccomp:' /proc/self/status; mkdir /m; mount -t tmpfs x /m && echo mounted",
            security=Security(privileged=True),
        )  # fmt: skip
    assert done.output.split() == ["CapEff:", own, "Seccomp:", "0", "mounted"]


def test_a_capability_that_podwire_lacks_is_named(world: World) -> None:
    with world.pod() as pod:
        world.run(pod, "true", "x", security=Security(capabilities=frozenset({"SYS_RESOURCE"})))
    held = Path("/proc/self/status").read_text()
    lacks = not int(held.partition("CapPrm:\t")[2][:16], 16) >> 24 & 1
    assert lacks is any("SYS_RESOURCE" in note for note in world.notes)


@pytest.mark.parametrize("network", [Network.CNI, Network.NONE])
def test_a_pods_network_has_lo_alone_and_it_is_up(world: World, network: Network) -> None:
    with world.pod(network=network) as pod:
        done = world.run(
            pod, "cat /sys/class/net/*/operstate; ls /sys/class/net; ping -c 1 -w 2 127.0.0.1 | grep -c ttl="
        )
    assert done.output == "unknown\nlo\n1\n"


def test_a_pod_of_the_nodes_network_has_it(world: World) -> None:
    own = Path("/proc/self/ns/net").readlink()
    with world.pod(network=Network.HOST) as pod:
        assert Path(pod.netns).readlink() == own
        done = world.run(pod, "readlink /proc/self/ns/net")
    assert done.output.strip() == str(own)


def test_labels_that_this_kernel_does_not_know_are_named(world: World) -> None:
    with world.pod() as pod:
        world.run(pod, "true", "x", security=Security(apparmor="docker-default"))
    has = Path("/sys/module/apparmor/parameters/enabled").exists()
    assert has is not any("AppArmor" in note for note in world.notes)


def test_keys_of_the_caller_are_not_the_containers(world: World) -> None:
    with world.pod() as pod:
        done = world.run(pod, "ls /proc/self/fd; wc -c < /proc/keys")
    assert done.output == "0\n1\n2\n3\n0\n"  # 3 is ls itself; no descriptor came along


def _written(world: World) -> tuple[Path | None, Path | None]:
    root = world.root()
    return root.upper, root.work
