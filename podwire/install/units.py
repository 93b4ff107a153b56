"""The units for systemd: the agent, and proxy and DNS by themselves."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "systemd"


def units(interpreter: str = sys.executable) -> dict[str, bytes]:
    """Return the content of each unit by its file name."""
    return {
        path.name: path.read_text().replace("@PYTHON@", interpreter).encode()
        for path in sorted(FOLDER.iterdir())
        if path.suffix in (".service", ".socket")
    }
