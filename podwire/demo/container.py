"""Hold one container started by `ctr run --cni`, from its first line of output to its detaching.

`ctr run` attaches the container before it starts its command, and detaches it when the command has ended,
in the same process. So the container is up when it prints, and its network is gone when ctr has ended.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
from collections.abc import Sequence
from types import TracebackType

from podwire.demo.world import DEADLINE, World, WorldError

FOREVER = "exec sleep 2147483647"  # seconds; until it is killed
UP = b"up\n"


def serve(text: str, port: int = 80) -> str:
    """Write the shell line that serves `text` as a web page; httpd returns once it listens."""
    folder = "/run/www"  # /run is writable and new everywhere: in containers and in worlds
    return f"mkdir -p {folder} && echo '{text}' > {folder}/index.html && busybox httpd -p {port} -h {folder}"


class Container:
    """Hold a running container; a context manager that stops it. `prefix` is ctr with its options."""

    def __init__(self, world: World, prefix: Sequence[str], image: str, name: str, script: str) -> None:
        self.world, self.name = world, name
        self.container_id = f"default-{name}"  # what CNI sees: containerd's namespace and the name
        self._prefix, self._execs = list(prefix), 0
        command = ["sh", "-c", f"{script} && echo up && {FOREVER}"]
        argv = [*prefix, "run", "--rm", "--cni", image, name, *command]
        self._process = world.start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._wait_up()
        self.pid = self._find_pid()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def address(self, ifname: str = "eth0", family: str = "inet") -> str:
        """Return the first address of an interface, without its prefix length, as ip(8) shows it."""
        argv = ["nsenter", f"--target={self.pid}", "--net", "ip", "-j", "addr", "show", "dev", ifname]
        (link,) = json.loads(self.world.run(argv))
        return str(next(entry["local"] for entry in link["addr_info"] if entry["family"] == family))

    def execute(self, *command: str) -> str:
        """Run a command in the container and return what it printed.

        Raises:
            WorldError: it failed.
        """
        self._execs += 1
        return self.world.run(
            [*self._prefix, "task", "exec", f"--exec-id=exec{self._execs}", self.name, *command]
        )

    def stop(self) -> None:
        """Kill the container and wait until ctr has detached it from its network.

        Raises:
            WorldError: ctr could not detach it.
        """
        if self._process.poll() is None:
            self.world.run([*self._prefix, "task", "kill", "--signal=SIGKILL", self.name])
        said, _ = self._process.communicate(timeout=DEADLINE)
        if said.strip():
            raise WorldError(f"container {self.name} did not end well: {said.decode().strip()}")

    def _find_pid(self) -> int:
        for line in self.world.run([*self._prefix, "task", "ls"]).splitlines():
            if line.split()[0] == self.name:
                return int(line.split()[1])
        raise WorldError(f"ctr does not list the container {self.name} that it has started")

    def _wait_up(self) -> None:
        assert self._process.stdout is not None
        seen = _read_until(self._process.stdout.fileno(), UP, DEADLINE)
        if not seen.endswith(UP):
            self._process.kill()
            raise WorldError(f"container {self.name} did not come up: {seen.decode(errors='replace')}")


def _read_until(descriptor: int, ending: bytes, deadline: float) -> bytes:
    """Read until the bytes end with `ending`, the writer has gone, or nothing came for `deadline` seconds."""
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not seen.endswith(ending) and selector.select(deadline):
            if not (chunk := os.read(descriptor, 4096)):
                break
            seen += chunk
    return seen
