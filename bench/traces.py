"""What a chain makes the machine do: programs executed, datagrams sent to the kernel. Seen by strace(1)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from bench.contenders import Host, Json

_NETLINK = re.compile(r"\bsend(?:to|msg)\(\d+<(?:NETLINK|socket:\[\d+\])")  # the latter: of another namespace
_OPTIONS = ("-f", "-yy", "-A", "-e", "trace=execve,sendto,sendmsg", "-o")


def count_calls(host: Host, pod: str, chain: Sequence[Json], agent: int | None) -> tuple[int, int] | None:
    """Return executions and netlink sends of a chain's ADD; None where there is no strace.

    `agent` is the process id of the one that serves the host: what it does counts, too.
    """
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory(prefix="bench-trace-") as folder:
        log = Path(folder, "log")
        traced = _wrap(host, Path(folder, "bin"), {body["type"] for body in chain}, [strace, *_OPTIONS, log])
        with nullcontext() if agent is None else _attached([strace, *_OPTIONS, log], agent):
            traced.add(pod, chain)
        lines = log.read_text().splitlines()
    executions = sum(1 for line in lines if "execve(" in line and line.endswith("= 0"))
    return executions, sum(1 for line in lines if _NETLINK.search(line))


def _wrap(host: Host, folder: Path, names: set[str], strace: Sequence[str | Path]) -> Host:
    """Return the same host, whose plugins are executed under strace from a folder made for that."""
    folder.mkdir()
    for name in names:
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec {' '.join(map(str, strace))} -qq {host.cni_path}/{name}\n")
        script.chmod(0o755)
    environment = {**host.environment, "CNI_PATH": str(host.cni_path)}
    return replace(host, cni_path=folder, environment=environment, results={})


@contextmanager
def _attached(strace: Sequence[str | Path], process: int) -> Iterator[None]:
    """Look at a process while the block runs; strace says on stderr when it does."""
    command = [*strace, "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watcher:
        assert watcher.stderr is not None
        try:
            if "attached" not in (said := watcher.stderr.readline()):
                raise RuntimeError(f"strace: {said}")
            yield
        finally:
            watcher.terminate()
