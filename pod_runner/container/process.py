"""Processes in a sandbox: a container's first, and others that are started in it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from pod_runner.container.sandbox import Sandbox
from pod_runner.container.spec import ContainerSpec


@dataclass(frozen=True)
class Stdio:
    """Descriptors that a process gets as 0, 1 and 2; with a terminal the pty's slave three times."""

    stdin: int
    stdout: int
    stderr: int


def start_container(
    sandbox: Sandbox, spec: ContainerSpec, stdio: Stdio, notes: list[str] | None = None
) -> int:
    """Start a container; return its process 1, a child of the caller, after its program was executed.

    `notes` gets a sentence for each limit or label that this machine could not apply.

    Raises:
        ContainerError: what was refused; reason CannotRun or StartError where it is the program.
    """
    raise NotImplementedError


def start_exec(
    sandbox: Sandbox,
    container_pid: int,
    spec: ContainerSpec,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    stdio: Stdio,
    *,
    terminal: bool,
) -> int:
    """Start another program in a container that runs; return its pid, a child of the caller.

    Raises:
        ContainerError: the container has gone, or the program cannot be executed.
    """
    raise NotImplementedError


def connect_inside(sandbox: Sandbox, port: int) -> socket.socket:
    """Connect to a TCP port of the pod, by 127.0.0.1, then ::1. Raises OSError as connect(2) does."""
    raise NotImplementedError
