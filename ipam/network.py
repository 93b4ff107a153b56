"""Where a network's reservations lie, and the rules they are kept by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ipam.directory import OURS

DATA_DIR = Path("/var/lib/cni/networks")  # host-local's
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)
LOCK_DEADLINE = 30.0  # seconds; 20 Go plugins in a row at 60,000 addresses take 10


@dataclass(frozen=True)
class Network:
    """A network as its address pool sees it.

    `cooldown` in seconds; `boot_id` ("" for the machine's) and `now` (seconds of the wall clock) are for
    tests to choose.
    """

    name: str
    data_dir: Path = DATA_DIR
    cooldown: float = 0.0
    boot_id: str = ""
    now: Callable[[], float] = time.time
    deadline: float = LOCK_DEADLINE

    @property
    def own_folder(self) -> Path:
        """Return where index and memory lie: next to the networks, for the Go plugin walks those."""
        return self.data_dir / OURS / self.name

    def current_boot(self) -> str:
        """Return the id of this boot."""
        return self.boot_id or BOOT_ID.read_text(encoding="ascii").strip()
