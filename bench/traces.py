"""What a chain makes the machine do: programs executed, datagrams sent to the kernel. Seen by strace(1)."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.contenders import Host, Json

_NETLINK = re.compile(r"\bsend(?:to|msg)\(\d+<(?:NETLINK|socket:\[\d+\])")


def count_calls(host: Host, pod: str, chain: Sequence[Json]) -> tuple[int, int] | None:
    """Return executions and netlink sends of a chain's ADD; None where there is no strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory(prefix="bench-trace-") as folder:
        traced = Path(folder, "bin")
        traced.mkdir()
        log = Path(folder, "log")
        for name in {body["type"] for body in chain}:
            options = f"-f -yy -qq -A -e trace=execve,sendto,sendmsg -o {log}"
            script = f"#!/bin/sh\nexec {strace} {options} {host.cni_path}/{name}\n"
            (traced / name).write_text(script)
            (traced / name).chmod(0o755)
        seen = replace(
            host, cni_path=traced, environment={**host.environment, "CNI_PATH": str(host.cni_path)}
        )
        seen.add(pod, chain)
        lines = log.read_text().splitlines()
    host.results.pop(pod, None)
    executions = sum(1 for line in lines if "execve(" in line and line.endswith("= 0"))
    return executions, sum(1 for line in lines if _NETLINK.search(line))
