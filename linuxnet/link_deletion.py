"""A link's deletion, waited for only until the link has gone.

The kernel answers a deletion after it has waited for RCU (netdev_run_todo, rcu_barrier), 13 to 20 ms, longer
on a busy machine. By then the link has long gone: it is in no list, its bridge has let go of it, and all were
told (RTM_DELLINK). So the request is sent by a thread of its own, and whoever asked goes on when the news is
there. What is refused is answered at once.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable
from threading import Thread
from typing import Any

from linuxnet.errors import KernelError
from linuxnet.netlink import Netlink
from linuxnet.netlink_socket import NETLINK_ROUTE, news, split
from linuxnet.netlink_wire import read_attributes, read_text
from linuxnet.rtnetlink import IFINFO, IFLA_IFNAME, RTM_DELLINK

RTMGRP_LINK = 1  # linux/rtnetlink.h


def delete_links(names: Iterable[str], **which: Any) -> None:
    """Delete the links of these names, which `which` selects, and return when they have gone.

    Raises:
        KernelError: the kernel refused.
    """
    request = _Request(which)
    with _Departures(names) as departures:
        request.start()
        departures.wait(request.answered)
    request.raise_refusal()


class _Request:
    """A deletion in a thread of its own, from a socket of the caller's namespace."""

    def __init__(self, which: dict[str, Any]) -> None:
        self._which, self._netlink = which, Netlink()
        self.answered, self._answer = os.pipe2(os.O_CLOEXEC)
        self._refusal: KernelError | None = None

    def start(self) -> None:
        # A process that ends meanwhile ends when the kernel has answered, with or without this
        Thread(target=self._ask, name="link-deletion", daemon=True).start()

    def raise_refusal(self) -> None:
        """Raise what the kernel has said against it, if it has by now; to be called once."""
        os.close(self.answered)
        if self._refusal is not None:
            raise self._refusal

    def _ask(self) -> None:
        try:
            self._netlink.request("link", "del", **self._which)
        except KernelError as error:
            self._refusal = error
        finally:
            os.close(self._answer)  # which wakes whoever still waits
            self._netlink.close()


class _Departures:
    """Hears which links of the caller's namespace go. Use it in a `with` block, from before they do."""

    def __init__(self, names: Iterable[str]) -> None:
        self._left = set(names)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_ROUTE)
        self._socket.bind((0, RTMGRP_LINK))

    def wait(self, answered: int) -> None:
        """Wait until all have gone, or `answered` has an end: then there is nothing to wait for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(answered, select.POLLIN)
        while self._left and all(descriptor != answered for descriptor, _ in poll.poll()):
            self._hear()

    def _hear(self) -> None:
        for data in news(self._socket):
            for _, kind, _, body in split(data or b""):  # of what is lost the answer tells
                # Of the bridge's family: only a port that leaves it
                if kind == RTM_DELLINK and IFINFO.unpack_from(body)[0] == socket.AF_UNSPEC:
                    self._left.discard(read_text(read_attributes(body, IFINFO.size)[IFLA_IFNAME]))

    def __enter__(self) -> _Departures:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
