"""The units for systemd: the agent, proxy and DNS by themselves; what changes where the agent has pods."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "systemd"


RUNNER = "podwire-agent.service.d/runner.conf"  # systemd.unit(5), drop-ins; below the units' folder


def runner_drop_in() -> bytes:
    """Return what is put over the agent's unit where it runs pods."""
    return (FOLDER / "runner.conf").read_bytes()


def units(interpreter: str = sys.executable) -> dict[str, bytes]:
    """Return the content of each unit by its file name."""
    return {
        path.name: path.read_text().replace("@PYTHON@", interpreter).encode()
        for path in sorted(FOLDER.iterdir())
        if path.suffix in (".service", ".socket")
    }
