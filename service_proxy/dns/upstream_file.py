"""The node's resolv.conf as upstreams, followed while it changes.

Whoever changes it may write into it, rename another over it, or turn a symbolic link to another file: the
folder of the path and that of what it leads to are both watched. A file that is a mount of its own (in a
container) tells no folder of its changes; therefore it is also looked at now and then.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from cluster_store.bell import Bell
from cluster_store.file_changes import IN_CREATE, WATCHED, FileChanges
from service_proxy.dns.forward_settings import Server, Tell
from service_proxy.dns.resolv_conf import read

LOOK_EVERY = 30.0  # seconds, where nothing tells of a change
LINKS = 40  # MAXSYMLINKS of the kernel
LOOP, NONE_LEFT = "dns-loop", "dns-no-upstreams"  # conditions


class UpstreamFile:
    """Calls `changed` with the servers at the start and after each change.

    `own` is where this DNS server answers: what it must not ask.
    """

    def __init__(
        self,
        path: Path,
        own: Collection[Server],
        changed: Callable[[tuple[Server, ...]], None],
        tell: Tell,
    ) -> None:
        self._path = path
        self._own = frozenset(own)
        self._changed = changed
        self._tell = tell
        self._known: tuple[Server, ...] | None = None
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name="dns-resolv-conf", daemon=True)

    def start(self) -> None:
        """Read the file now, and follow it in a thread."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._bell.close()

    def look(self) -> None:
        """Read the file; a file that cannot be read leaves what is known as it is."""
        try:
            servers = usable(read(self._path).servers, self._own, self._tell, str(self._path))
        except OSError as error:
            self._tell(NONE_LEFT, f"it cannot be read: {error.strerror}", about=str(self._path))
            servers = self._known or ()
        if servers != self._known:
            self._known = servers
            self._changed(servers)

    def _run(self) -> None:
        while not self._bell.has_rung:
            watches = [one for one in map(_watch, _folders(self._path)) if one is not None]
            self.look()  # what changed before the watches were there
            self._wait(watches)
            for watch in watches:
                watch.close()

    def _wait(self, watches: list[FileChanges]) -> None:
        """Return when one of the folders has changed, when the bell rings, or after a while."""
        with select.epoll() as either:
            for watch in watches:
                either.register(watch.fd, select.EPOLLIN)
            self._bell.wait(either.fileno(), LOOK_EVERY)


def _folders(path: Path) -> set[Path]:
    """Return the folders of every link on the way to the file, and its own."""
    found = set()
    for _ in range(LINKS):
        found.add(path.parent)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return found


def _watch(folder: Path) -> FileChanges | None:
    try:
        return FileChanges(folder, WATCHED | IN_CREATE)  # a link comes into being without a write
    except OSError:  # no such folder now, or no more watches for us: it is looked at now and then
        return None


def usable(
    servers: tuple[Server, ...], own: Collection[Server], tell: Tell, about: str
) -> tuple[Server, ...]:
    """Return the servers that are not ourselves; tell of a loop, and of nobody being left."""
    left = tuple(one for one in servers if one not in own)
    looping = ", ".join(str(one) for one in servers if one in own)
    tell(LOOP, f"{looping} is this DNS server itself and is not asked" if looping else "", about=about)
    tell(
        NONE_LEFT, "" if left else "it names no DNS server to ask for names outside the cluster", about=about
    )
    return left
