"""The registries that one suite judges: how a test starts each, breaks it, and what it cannot do.

Another store joins with a class like these and a name in `KINDS`; what it cannot do it leaves out of
`abilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cluster_store.opening import open_store
from cluster_store.store import Store
from tests.cluster_store.etcd_server import EtcdServer, missing

LEASES, MANY_KEYS_AT_ONCE, ANY_KEY = "leases", "several keys in one commit", "any key"
ALL = frozenset({LEASES, MANY_KEYS_AT_ONCE, ANY_KEY})


class Registry(Protocol):
    """A registry under test."""

    abilities: frozenset[str]

    def start(self) -> None:
        """Begin, or begin again with what there was."""

    def break_down(self) -> None:
        """Make it unavailable at once."""

    def forget_history(self) -> None:
        """Make it unable to say what changed since when."""

    def wipe(self) -> None:
        """Begin anew, with nothing."""

    def open(self) -> Store:
        """Return a store; the test closes it."""

    def end(self) -> None:
        """Leave nothing behind."""


class DirectoryRegistry:
    """A folder; it breaks down by being somewhere else, as an unmounted disk is."""

    abilities = ALL

    def __init__(self, folder: Path) -> None:
        self._root = folder / "registry"
        self._away = folder / "unmounted"
        self._count = 0

    def start(self) -> None:
        if self._away.exists():
            self._away.rename(self._root)

    def break_down(self) -> None:
        self._root.rename(self._away)

    def forget_history(self) -> None:
        """Do nothing: a folder has none."""

    def wipe(self) -> None:
        self._count += 1
        self._root.rename(self._root.with_name(f"old{self._count}"))
        self._root.mkdir()

    def open(self) -> Store:
        return open_store(f"directory:{self._root}")

    def end(self) -> None:
        """Leave it to pytest."""


class EtcdRegistry:
    """One etcd."""

    abilities = ALL

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.server = EtcdServer(folder)

    def start(self) -> None:
        self.server.start()

    def break_down(self) -> None:
        self.server.kill()

    def forget_history(self) -> None:
        self.server.compact()

    def wipe(self) -> None:
        self.server.kill()
        self._count += 1
        folder = self._folder / f"new{self._count}"
        folder.mkdir()
        self.server = EtcdServer(folder)
        self.server.start()

    def open(self) -> Store:
        return open_store("etcd://127.0.0.1:2379")

    def end(self) -> None:
        self.server.kill()


KINDS: dict[str, tuple[Callable[[Path], Registry], Callable[[], str]]] = {
    "directory": (DirectoryRegistry, str),
    "etcd": (EtcdRegistry, missing),
}
