"""What a process that serves many requests keeps open between them; nothing that cannot be read back.

A process for one request makes one of its own, and the same code runs.
"""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # opened when first needed: host-local needs neither
    from linuxnet.ruleset import Ruleset
    from linuxnet.unlinking import Unlinker


class HostMemory:
    """Sockets of one network namespace, and what is known of its ruleset. Threads in it may share one."""

    def __init__(self) -> None:
        self._lock = Lock()

    @cached_property
    def _ruleset(self) -> Ruleset:
        from linuxnet.ruleset import Ruleset

        return Ruleset()

    @cached_property
    def _unlinker(self) -> Unlinker:
        from linuxnet.unlinking import Unlinker

        return Unlinker()

    @property
    def ruleset(self) -> Ruleset:
        """Return the ruleset; the first caller's thread decides whose it is."""
        with self._lock:
            return self._ruleset

    @property
    def unlinker(self) -> Unlinker:
        """Return what deletes links."""
        with self._lock:
            return self._unlinker

    def close(self) -> None:
        """Close what was opened."""
        for name in ("_ruleset", "_unlinker"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
