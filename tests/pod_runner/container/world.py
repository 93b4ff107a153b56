"""One pod's world for a test: a root of busybox, cgroups of its own, sandboxes and what runs in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pod_runner.container.process import Stdio, start_container, start_exec
from pod_runner.container.sandbox import Sandbox, start_sandbox
from pod_runner.container.spec import (
    ContainerError,
    ContainerSpec,
    IdMapping,
    RootFs,
    SandboxSpec,
    UserNamespace,
)
from pod_runner.kernel.cgroups import Cgroups

ENV = {"PATH": "/bin"}
MAPPED = UserNamespace((IdMapping(0, 100_000, 65_536),), (IdMapping(0, 100_000, 65_536),))
APPLETS = (
    "cat", "chmod", "chown", "chroot", "cp", "cut", "dd", "echo", "env", "grep", "hostname", "id",
    "kill", "ln", "ls", "mkdir", "mknod", "mount", "nc", "netstat", "nsenter", "ping", "readlink", "rm",
    "sh", "sleep", "stat", "test", "touch", "true", "tty", "umount", "unshare", "wc",
)  # fmt: skip
LARGEST_OUTPUT = 1 << 20  # bytes; no test says more


@dataclass(frozen=True)
class Done:
    """What a process said, and how it ended (negative: by a signal)."""

    output: str
    code: int


@dataclass
class World:
    """Where a test's pods are. Paths may be relative: a process that has dropped its ids finds no others."""

    folder: Path
    cgroup: str
    notes: list[str] = field(default_factory=list)
    roots: int = 0

    @property
    def image(self) -> Path:
        return self.folder / "image"

    def make_image(self) -> None:
        """Make a root of busybox."""
        (self.image / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", self.image / "bin" / "busybox")
        for name in APPLETS:
            (self.image / "bin" / name).symlink_to("busybox")

    def root(self, *lower: Path) -> RootFs:
        """Return a fresh writable root over the image, or over other layers."""
        self.roots += 1
        folder = self.folder / f"root{self.roots}"
        (folder / "upper").mkdir(parents=True)
        (folder / "work").mkdir()
        return RootFs(lower or (self.image,), folder / "upper", folder / "work")

    @contextmanager
    def pod(self, **wanted: object) -> Iterator[Sandbox]:
        """Start a sandbox; end it and all that is in it."""
        spec = replace(SandboxSpec("pod", "podhost", f"{self.cgroup}/pod"), **wanted)  # type: ignore[arg-type]  # by name
        sandbox = start_sandbox(spec, self.notes)
        try:
            yield sandbox
        finally:
            self.end(sandbox)

    def end(self, sandbox: Sandbox) -> None:
        """End a pod's processes, and remove its cgroup."""
        cgroups = Cgroups.detect()
        os.kill(sandbox.pid, 9)
        os.waitpid(sandbox.pid, 0)
        cgroups.kill(sandbox.spec.cgroup)
        cgroups.remove(sandbox.spec.cgroup)

    def spec(self, *argv: str, **wanted: object) -> ContainerSpec:
        """Return a container's specification; one argument alone is a shell's script."""
        command = ("sh", "-c", *argv) if len(argv) == 1 else argv
        root = wanted.pop("root", None) or self.root()
        one = ContainerSpec("main", command, root, "main", ENV)  # type: ignore[arg-type]  # popped by name
        return replace(one, **wanted)  # type: ignore[arg-type]  # by name

    def run(self, sandbox: Sandbox, *argv: str, **wanted: object) -> Done:
        """Run a container to its end."""
        spec = self.spec(*argv, **wanted)
        with _pipe() as (reading, stdio):
            pid = start_container(sandbox, spec, stdio, self.notes)
            os.close(stdio.stdout)
            return _read(reading, pid)

    @contextmanager
    def running(self, sandbox: Sandbox, spec: ContainerSpec) -> Iterator[Running]:
        """Start a container and let it run; kill it in the end."""
        reading, to = os.pipe2(os.O_CLOEXEC)
        since, writing = os.pipe2(os.O_CLOEXEC)
        try:
            pid = start_container(sandbox, spec, Stdio(reading, writing, writing), self.notes)
        except ContainerError:
            os.close(to)
            os.close(since)
            raise
        finally:
            os.close(reading)
            os.close(writing)
        try:
            yield Running(pid, to, since)
        finally:
            os.close(to)
            os.close(since)
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def enter(self, sandbox: Sandbox, pid: int, spec: ContainerSpec, *argv: str) -> Done:
        """Run another process of a container to its end."""
        with _pipe() as (reading, stdio):
            one = start_exec(sandbox, pid, spec, argv, ENV, stdio, terminal=False)
            os.close(stdio.stdout)
            return _read(reading, one)


@dataclass
class Running:
    """A container that runs: what it reads, and what it writes."""

    pid: int
    to: int
    since: int

    def say(self, text: str, *, until: str = "") -> str:
        """Write to it; return what it answers, to its end or until a word of it."""
        os.write(self.to, text.encode())
        said = b""
        while not (until and until in said.decode()) and (data := os.read(self.since, LARGEST_OUTPUT)):
            said += data
        return said.decode()


@contextmanager
def _pipe() -> Iterator[tuple[int, Stdio]]:
    """Make what a process reads (nothing) and writes; whoever started it closes the writing end."""
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        yield reading, Stdio(null, writing, writing)
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(null)
        os.close(reading)


def _read(reading: int, pid: int) -> Done:
    said = b""
    while data := os.read(reading, LARGEST_OUTPUT):
        said += data
    return Done(said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
