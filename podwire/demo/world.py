"""Make a small machine inside the machine: namespaces and mounts that end together.

A world has its own network, mount, pid, ipc and uts namespaces. Writes under /etc, /opt and /var go to
an overlay, /run and /dev/shm are new, so nothing done inside is left outside. Its first process waits on
a pipe that we hold: when the pipe closes, for whatever reason, the kernel ends every process of the
world with it (pid_namespaces(7)), and the mounts and links go when the last one has gone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from podwire.demo.cgroups import CgroupHome

DEADLINE = 60.0  # seconds; for one command, on a machine busy with other work
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Joins the cgroups given as arguments; a runtime's processes follow, see cgroups.
JOIN = 'for folder; do echo $$ > "$folder/cgroup.procs"; done; unset folder; exec unshare {} sh -c "$FURNISH"'

# SIGCHLD ignored stays ignored over exec, so the kernel reaps the orphans that cat inherits as process 1.
FURNISH = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
for folder in etc opt var; do
    mkdir -p /run/world/$folder/upper /run/world/$folder/work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/world/$folder/upper,workdir=/run/world/$folder/work /$folder
done
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
for folder in /etc/cni /opt/cni /var/lib/cni /var/lib/podwire /run/netns; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
mkdir -p /etc/cni/net.d /opt/cni/bin
ip link set lo up
{cgroups}
echo furnished
exec env --ignore-signal=CHLD cat >/dev/null
"""  # noqa: E501 (one mount, one line)


class WorldError(RuntimeError):
    """Say which command failed in a world, and what it wrote."""


class World:
    """Hold a running world; a context manager that ends it.

    Raises:
        WorldError: the namespaces or mounts could not be made (they take root).
    """

    def __init__(self) -> None:
        self._cgroups = CgroupHome()
        flags = ["--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"]
        script = JOIN.format(" ".join([*flags, "--mount-proc"]))
        furnish = FURNISH.replace("{cgroups}", self._cgroups.mount_script())
        self._holder = subprocess.Popen(
            ["sh", "-c", script, "sh", *map(str, self._cgroups.folders())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environment({"FURNISH": furnish}),
        )  # fmt: skip
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"furnished\n":
            _, complaint = self._holder.communicate()
            self._cgroups.remove()
            raise WorldError(f"a private set of namespaces could not be made: {complaint.decode().strip()}")
        self.holder = self._holder.pid  # ends after every process of the world
        self.pid = _only_child(self.holder)

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the world and wait until they have gone."""
        self._holder.communicate(timeout=DEADLINE)
        self._cgroups.remove()

    def path(self, inside: str) -> Path:
        """Name a file of the world so that it can be opened from here (proc(5), /proc/pid/root)."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Put `argv` into the world, as an argument vector that can be started from here."""
        door = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup"]
        return [*door, "--wdns=/", "--", *argv]

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        stdout: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a command that lives on until it, or the world, ends."""
        return subprocess.Popen(
            self.enter(argv), env=_environment(env or {}),
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )  # fmt: skip

    def attempt(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: bytes = b"",
        timeout: float = DEADLINE,
    ) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
        """Run a command to its end, whatever its exit status; `timeout` in seconds."""
        return subprocess.run(
            self.enter(argv), env=_environment(env or {}), input=stdin, capture_output=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: bytes = b"",
        timeout: float = DEADLINE,
    ) -> str:  # fmt: skip
        """Run a command to its end and return what it printed.

        Raises:
            WorldError: it failed; the message quotes the command and its output.
        """
        done = self.attempt(argv, env, stdin, timeout)
        if done.returncode != 0:
            said = (done.stderr + done.stdout).decode(errors="replace").strip()
            raise WorldError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def add_neighbour(self, name: str, network: str) -> None:
        """Give the world an outside: the namespace `name`, one cable away.

        `network` is the first three bytes of a /24; the world is .1 there, the neighbour .2, and the
        world is its default gateway.
        """
        for line in (
            f"ip netns add {name}",
            f"ip link add to-{name} type veth peer name eth0 netns {name}",
            f"ip addr add {network}.1/24 dev to-{name}",
            f"ip link set to-{name} up",
            f"ip -n {name} addr add {network}.2/24 dev eth0",
            f"ip -n {name} link set eth0 up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} route add default via {network}.1",
        ):
            self.run(line.split())


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": PATH, "LC_ALL": "C", "HOME": "/root", **more}


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(children) != 1:
        raise WorldError(f"process {pid} should have one child, the world's first, but has {children}")
    return int(children[0])


def is_root() -> bool:
    """Tell whether this process may make worlds."""
    return os.geteuid() == 0
