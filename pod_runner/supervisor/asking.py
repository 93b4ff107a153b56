"""A probe's or hook's action -> a check that runs: where to connect, what to request, what to execute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pod_runner.container.process import Stdio
from pod_runner.manifests.container import Container, Handler, HttpGetAction, LifecycleHandler, Probe
from pod_runner.manifests.model import PortOrName
from pod_runner.supervisor.checks import Check, Connecting, Done, Request
from pod_runner.supervisor.commands import Command
from pod_runner.supervisor.loop import Loop, Timer
from pod_runner.supervisor.tasks import Task

AGENT = "kube-probe/1.30"  # what servers know a probe by


@dataclass(frozen=True)
class Asker:
    """Asks one container of a pod. `address` is the pod's; `execute` starts a command in the container."""

    loop: Loop
    container: Container
    netns: str
    address: str
    execute: Callable[[Sequence[str], Stdio], int]

    def ask(self, action: Handler, timeout: float, done: Done) -> Check:
        """Begin; an action that says nothing is a success."""
        if action.exec is not None:
            command = action.exec.command
            return Command(self.loop, lambda stdio: self.execute(command, stdio), timeout, done)
        if action.http_get is not None:
            return self._request(action.http_get, timeout, done)
        if isinstance(action, Probe) and action.tcp_socket is not None:
            address = (action.tcp_socket.host or self.address, self._port(action.tcp_socket.port))
            return Connecting(self.loop, self.netns, address, timeout, done)
        seconds = action.sleep.seconds if isinstance(action, LifecycleHandler) and action.sleep else 0
        return Pause(self.loop.after(min(seconds, timeout), lambda: done(True, "")))

    def _request(self, action: HttpGetAction, timeout: float, done: Done) -> Check:
        address = (action.host or self.address, self._port(action.port))
        head = request_head(action, address)
        if action.scheme == "HTTP":
            return Request(self.loop, self.netns, address, head, timeout, done)

        def work() -> tuple[bool, str]:
            from pod_runner.supervisor.tls_request import request  # ssl is 4 MB that few pods need

            return request(self.netns, address, head, timeout)

        def ended(result: object) -> None:
            if isinstance(result, tuple):
                done(*result)
            else:
                done(False, str(result))

        return Task(self.loop, work, ended)

    def _port(self, port: PortOrName) -> int:
        """Return a port by its number or name; -1, which no connection takes, for an unknown name."""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        return next((one.container_port for one in self.container.ports if one.name == port), -1)


@dataclass(frozen=True)
class Pause:
    """Time that passes."""

    timer: Timer

    def cancel(self) -> None:
        """Wait no more."""
        self.timer.cancel()


def request_head(action: HttpGetAction, address: tuple[str, int]) -> bytes:
    """Return a request; a header of the manifest's replaces ours of the same name, Host too."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    headers = {
        "host": ("Host", f"{host}:{address[1]}"),
        "user-agent": ("User-Agent", AGENT),
        "accept": ("Accept", "*/*"),
    }
    headers |= {one.name.lower(): (one.name, one.value) for one in action.http_headers}
    headers["connection"] = ("Connection", "close")
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.values())]
    text = "".join(line.replace("\r", " ").replace("\n", " ") + "\r\n" for line in lines)
    return (text + "\r\n").encode("utf-8", "surrogateescape")
