"""Calls of plugins as functions, and the world they act on, for tests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cni_plugins.registry import load_plugin
from cni_plugins.skeleton import Answer, answer
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from podwire.demo.dumps import Dump, take_dump
from tests.ways import FOLDER, call_launcher

REFERENCE_PLUGINS = Path("/usr/lib/cni")
Json = dict[str, Any]


def run(command: Sequence[str]) -> str:
    """Run a command in this thread's namespace and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def ip_json(*words: str) -> Any:
    """Return what `ip -j` shows."""
    return json.loads(run(["ip", "-j", *words]) or "[]")


def dump() -> Dump:
    """Return everything this namespace and the state folders hold."""
    return take_dump(run) | {f"sysctl: {line}" for line in _sysctls()}


def _sysctls() -> list[str]:
    paths = ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/default/accept_dad")
    return [f"{path} {Path('/proc/sys/net', path).read_text().strip()}" for path in paths]


@dataclass
class Container:
    """A namespace with a name, and the ids a runtime would use."""

    name: str
    ifname: str = "eth0"

    @property
    def netns(self) -> str:
        """Return the namespace's path."""
        return f"/run/netns/{self.name}"

    def run(self, *words: str) -> str:
        """Run a command inside."""
        return run(["ip", "netns", "exec", self.name, *words])

    def succeeds(self, *words: str) -> bool:
        """Tell whether a command inside succeeds."""
        command = ["ip", "netns", "exec", self.name, *words]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def pings(self, address: str) -> bool:
        """Tell whether an echo comes back within a second."""
        return self.succeeds("ping", "-c", "1", "-W", "1", address)


@dataclass
class Plugins:
    """Call plugins of ours, in the way that `--way` chose; foreign ones are found in `path`."""

    path: str = str(REFERENCE_PLUGINS)
    kernel: Callable[[], Kernel] = Kernel
    warnings: list[str] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)

    def ask(self, verb: str, config: Json, container: Container | None, netns: str | None = None) -> Answer:
        """Make one call and return its answer, success or not."""
        variables = {"CNI_COMMAND": verb, "CNI_PATH": self.path}
        if container is not None:
            variables |= {"CNI_CONTAINERID": container.name, "CNI_IFNAME": container.ifname}
            variables["CNI_NETNS"] = container.netns if netns is None else netns
        body = json.dumps(config).encode()
        environment = variables | dict(self.environment)
        if FOLDER in os.environ and self.kernel is Kernel:
            given, said = call_launcher(config["type"], environment, body)
            self.warnings.extend(said)
            return given
        plugin = load_plugin(config["type"])
        return answer(plugin, environment, body, warn=self.warnings.append, kernel=self.kernel)

    def add(self, config: Json, container: Container) -> Json:
        """ADD, which must succeed; return the result."""
        given = self.ask("ADD", config, container)
        assert given.status == 0, given.stdout
        result: Json = json.loads(given.stdout)
        return result

    def delete(self, config: Json, container: Container, netns: str | None = None) -> None:
        """DEL, which must succeed and print nothing."""
        given = self.ask("DEL", config, container, netns)
        assert (given.status, given.stdout) == (0, ""), given.stdout

    def check(self, config: Json, container: Container, result: Json) -> str:
        """CHECK; return the error's message, "" for success."""
        given = self.ask("CHECK", config | {"prevResult": result}, container)
        return "" if given.status == 0 else str(json.loads(given.stdout)["msg"])

    def fails(self, verb: str, config: Json, container: Container | None, netns: str | None = None) -> Json:
        """Make a call that must fail; return its error object."""
        given = self.ask(verb, config, container, netns)
        assert given.status != 0, given.stdout
        error: Json = json.loads(given.stdout)
        assert "Traceback" not in given.stdout
        return error


class StoppingKernel(Kernel):
    """A kernel that refuses the n-th operation, once: a fault at that step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def apply(self, op: Op) -> Op | None:
        """Apply, until the step is reached."""
        self.left -= 1
        if self.left == -1:
            raise OSError(5, f"fault at: {op}")
        return super().apply(op)
