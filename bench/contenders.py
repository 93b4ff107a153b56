"""Who is measured, and where: plugins executed as a runtime does, each contender on a host of its own.

A host is a network namespace and a folder of addresses; the machine's own are never touched. What is timed
is one thing for all: from before the plugin's process is made until it has ended, its stdin and stdout being
files in memory.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cni_plugins.registry import PLUGIN_TYPES
from linuxnet.netns import inside
from linuxnet.scratch import open_scratch_netns
from podwire.agent.client import ask
from podwire.agent.protocol import STATUS, Request
from podwire.install.launchers import launcher

CLONE_NEWNS, MS_REC_PRIVATE = 0x00020000, 0x4000 | 1 << 18  # linux/sched.h, linux/mount.h
PRIVATE = ("/run/netns", "/run/podwire", "/var/lib/cni")
AGENT_START = 20.0  # seconds; an agent is there after 0.4

Json = dict[str, Any]


@dataclass
class Host:
    """One host: its namespace and addresses, and the plugins called on it. Times are in milliseconds."""

    name: str
    cni_path: Path
    netns: int
    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, Json] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)  # verbs, as they were called

    def add(self, pod: str, chain: Sequence[Json]) -> float:
        """Run a chain's ADDs for a pod; return how long its plugins took together."""
        total, result = 0.0, None
        for body in chain:
            took, said = self._run("ADD", body | ({"prevResult": result} if result else {}), pod)
            total += took
            result = json.loads(said)
        assert result is not None
        self.results[pod] = result
        return total

    def delete(self, pod: str, chain: Sequence[Json]) -> float:
        """Run a chain's DELs for a pod, the last plugin first; return how long they took together."""
        result = self.results.pop(pod)
        return sum(self._run("DEL", body | {"prevResult": result}, pod)[0] for body in reversed(chain))

    def _run(self, verb: str, body: Json, pod: str) -> tuple[float, bytes]:
        executable = self.cni_path / body["type"]
        if "ipam" in body:
            body = body | {"ipam": body["ipam"] | {"dataDir": str(self.data_dir)}}
        variables = {
            "CNI_COMMAND": verb, "CNI_CONTAINERID": pod, "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0", "CNI_PATH": str(self.cni_path), "PATH": os.environ["PATH"],
        }  # fmt: skip
        self.calls.append(verb)
        took, status, said = execute([str(executable)], variables | dict(self.environment), body)
        if status != 0:
            raise RuntimeError(f"{self.name}: {verb} by {executable}: {said.decode()}")
        return took, said


def execute(command: list[str], environment: Mapping[str, str], body: Json) -> tuple[float, int, bytes]:
    """Run a program to its end in this thread's namespace: milliseconds, status, what it printed."""
    given, said = os.memfd_create("stdin"), os.memfd_create("stdout")
    try:
        os.write(given, json.dumps(body).encode())
        os.lseek(given, 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, given, 0), (os.POSIX_SPAWN_DUP2, said, 1)]
        started = time.perf_counter()
        child = os.posix_spawn(command[0], command, dict(environment), file_actions=actions)
        _, status = os.waitpid(child, 0)
        took = (time.perf_counter() - started) * 1000
        return took, os.waitstatus_to_exitcode(status), os.pread(said, 1 << 20, 0)
    finally:
        os.close(given)
        os.close(said)


def in_threads(host: Host, number: int, tasks: Sequence[Any]) -> float:
    """Run tasks in that many threads on a host; return how long all took together, in milliseconds."""
    with inside(host.netns), ThreadPoolExecutor(number) as pool:  # threads are born where their maker is
        started = time.perf_counter()
        for done in [pool.submit(task) for task in tasks]:
            done.result()
        return (time.perf_counter() - started) * 1000


def make_mounts_private(folders: Sequence[str] = PRIVATE) -> None:
    """Give this process folders of its own for namespaces, sockets and addresses."""
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (CLONE_NEWNS,),
        (b"none", b"/", None, MS_REC_PRIVATE, None),
        *((b"tmpfs", folder.encode(), b"tmpfs", 0, b"mode=755") for folder in folders),
    ):
        if len(arguments) == 5 and arguments[1] != b"/":
            Path(os.fsdecode(arguments[1])).mkdir(parents=True, exist_ok=True)  # type: ignore[arg-type]
        if (libc.unshare if len(arguments) == 1 else libc.mount)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "private mounts need root")


@contextmanager
def plain_host(name: str, cni_path: Path, environment: Mapping[str, str] | None = None) -> Iterator[Host]:
    """Make a host for plugins that need nothing but themselves."""
    netns = open_scratch_netns()
    try:
        with inside(netns):
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        data_dir = Path("/var/lib/cni", f"bench-{time.monotonic_ns()}")
        yield Host(name, cni_path, netns, data_dir, environment or {})
    finally:
        os.close(netns)


@contextmanager
def agent_host(cni_path: Path) -> Iterator[Host]:
    """Make a host with an agent of its own, which ends with this process, however that ends.

    Raises:
        RuntimeError: some call was not served by it: what was timed is something else, then.
    """
    socket = Path("/run/podwire", f"bench-{time.monotonic_ns()}", "agent.sock")
    with plain_host("ours", cni_path, {"PODWIRE_SOCKET": str(socket)}) as host:
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable]
        command += ["-I", "-m", "podwire.agent", "--socket", str(socket)]
        with inside(host.netns):
            agent = subprocess.Popen(command)
        try:
            _wait_for(socket, agent)
            yield host
            _check_served(host)
        finally:
            agent.terminate()
            agent.wait()


def agent_status(host: Host) -> Json:
    """Return what a host's agent says of itself when it has nothing else to do."""
    while True:
        reply = ask(Path(host.environment["PODWIRE_SOCKET"]), Request(STATUS, {}, b""))
        status: Json = json.loads(reply.stdout)
        if status["busy"] == 0:  # it lets go of a caller just after it has answered
            return status


def write_launchers(folder: Path) -> Path:
    """Put our plugins' executables into a folder, as `podwire install` does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PLUGIN_TYPES:
        path = folder / name
        path.write_bytes(launcher(name))
        path.chmod(0o755)
    return folder


@contextmanager
def pods(names: Sequence[str]) -> Iterator[None]:
    """Make the pods' namespaces; they are gone afterwards."""
    _batch(f"netns add {name}" for name in names)
    try:
        yield
    finally:
        _batch(f"netns del {name}" for name in names)


def _batch(lines: Iterator[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _check_served(host: Host) -> None:
    served = sum(one["number"] for one in agent_status(host)["requests"])
    if served != len(host.calls):
        raise RuntimeError(f"{host.name}: {len(host.calls)} calls, of which the agent served {served}")


def _wait_for(socket: Path, agent: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + AGENT_START
    while not socket.exists():
        if agent.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the agent did not start")
        time.sleep(0.01)  # its start is not what is measured
