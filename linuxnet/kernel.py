"""Kernel: the host and one container, the door through which operations act.

The host is the namespace the calling thread is in; the container is entered once and from then on is a
socket. Everything here is opened when first needed: a DEL that finds nothing opens little.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from linuxnet.memory import HostMemory
from linuxnet.netns import adopt_netns, inside, is_own_netns, is_same_netns, open_netns
from linuxnet.op import Op, Where
from linuxnet.shared import SharedLock

if TYPE_CHECKING:  # host-local needs none of them, and a plain bridge no pyroute2, which costs 150 ms
    from linuxnet.netlink import Netlink
    from linuxnet.nft import Nft
    from linuxnet.pyroute import Pyroute
    from linuxnet.ruleset import Ruleset
    from linuxnet.unlinking import Unlinker

log = logging.getLogger("podwire.kernel")


class Kernel:
    """What a plugin acts on. Close it, or use it in a `with` block.

    `memory` is what a process keeps between requests, None for one of the kernel's own. `netns` is the
    container's namespace, where somebody opened it already; it stays the caller's to close.
    """

    def __init__(self, memory: HostMemory | None = None, netns: int | None = None) -> None:
        self._memory = memory or HostMemory()
        self._keeps_memory = memory is not None
        self._given = netns
        self._container: int | None = None

    def enter(self, netns: str) -> bool:
        """Make the namespace at `netns` the container; return False if nothing is there (any more).

        Raises:
            KernelError: it is not a network namespace.
        """
        try:
            self._container = open_netns(netns) if self._given is None else adopt_netns(self._given, netns)
        except FileNotFoundError:  # DEL after the namespace has gone
            return False
        return True

    def leave(self) -> None:
        """Forget the container's namespace."""
        if self._container is not None:
            os.close(self._container)
            self._container = None

    def another(self) -> Kernel:
        """Return one for a delegate of this one's user: the same memory, the same container."""
        given = self._given if self._container is None else self._container
        return Kernel(self._memory if self._keeps_memory else None, given)

    @property
    def container_is_host(self) -> bool:
        """Tell whether what was entered is the namespace this thread is in."""
        return is_own_netns(self.container_descriptor)

    @property
    def has_container(self) -> bool:
        """Tell whether a container's namespace was entered."""
        return self._container is not None

    @property
    def container_descriptor(self) -> int:
        """Return the container's namespace, for requests that move a link there."""
        assert self._container is not None, "no container was entered"
        return self._container

    def container_path(self, path: str) -> str:
        """Return a path of the container's namespace for a process of ours: `path`, if it leads there.

        It does not where the caller, who opened it, has other mounts than this process.
        """
        if is_same_netns(self.container_descriptor, path):
            return path
        return f"/proc/{os.getpid()}/fd/{self.container_descriptor}"

    @cached_property
    def host(self) -> Netlink:
        """Return the host's socket."""
        from linuxnet.netlink import Netlink

        return Netlink()

    @cached_property
    def container(self) -> Netlink:
        """Return the container's socket."""
        with self.inside(Where.CONTAINER):
            from linuxnet.netlink import Netlink

            return Netlink()

    @cached_property
    def pyroute(self) -> Pyroute:
        """Return the host's socket for shaping and bridge VLANs."""
        from linuxnet.pyroute import Pyroute

        return Pyroute()

    @property
    def ruleset(self) -> Ruleset:
        """Return the host's nf_tables, as far as netlink shows and changes it."""
        return self._memory.ruleset

    @property
    def unlinker(self) -> Unlinker:
        """Return what deletes the host's links."""
        return self._memory.unlinker

    @cached_property
    def nft(self) -> Nft:
        """Return the host's libnftables, for rules. Raises MissingTool without it."""
        from linuxnet.nft import Nft

        return Nft()

    @property
    def shared(self) -> SharedLock:
        """Return the lock on what attachments share, held from the first look at it until the end."""
        self._lock.share()
        return self._lock

    def is_alone(self) -> bool:
        """Tell, without waiting, whether no other request uses what attachments share; keep others out."""
        return self._lock.is_alone()

    def share_again(self) -> None:
        """End being alone."""
        if "_lock" in self.__dict__:
            self._lock.share_again()

    @cached_property
    def _lock(self) -> SharedLock:
        return SharedLock()

    def at(self, where: Where) -> Netlink:
        """Return the socket on one side."""
        return self.host if where is Where.HOST else self.container

    @contextmanager
    def inside(self, where: Where) -> Iterator[None]:
        """Run a block in the namespace of one side; only sysctls and new sockets need it."""
        if where is Where.HOST:
            yield
            return
        with inside(self.container_descriptor):
            yield

    def apply(self, op: Op) -> Op | None:
        """Apply one operation and return its inverse, None if it was already so."""
        log.debug("%s", op)
        return op.apply(self)

    def close(self) -> None:
        """Close every socket and descriptor."""
        for name in ("host", "container", "pyroute", "nft", "_lock"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        if not self._keeps_memory:
            self._memory.close()
        self.leave()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
