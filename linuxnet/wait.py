"""Waiting for a link: subscribe, look, then wait with a deadline. Never a sleep, never a poll by the clock.

The kernel tells of every change of a link in the group RTNLGRP_LINK: its flags, its operational state, and
as AF_BRIDGE messages the state of a bridge port. A message only says that it is time to look again, so
that a lost one (ENOBUFS) costs nothing but one more look.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from linuxnet.errors import KernelError
from linuxnet.kernel import Kernel
from linuxnet.op import Op, Where
from linuxnet.rtnetlink_answers import Link

RTMGRP_LINK, RTMGRP_IPV6_IFADDR = 1, 0x100  # linux/rtnetlink.h
IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x08, 0x40  # linux/if_addr.h
HEADER = struct.Struct("=IHHII BxHi")  # nlmsghdr, then ifinfomsg as far as its index (rtnetlink(7))
PORT_FORWARDING = 3  # BR_STATE_FORWARDING (linux/if_bridge.h)
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")  # linux/if_bridge.h
LARGEST_MESSAGE = 65536  # bytes; more than a link's description takes


@dataclass(frozen=True)
class LinkSettled:
    """The point in a plan where a link must be ready to carry packets. `timeout` in seconds.

    A port without spanning tree forwards as soon as its other end is up; with it, after twice the
    bridge's forward delay (30 s unless somebody chose another).
    """

    where: Where
    name: str
    timeout: float

    def __str__(self) -> str:
        return f"wait up to {self.timeout:g} s until {self.name} is up and forwards"

    def apply(self, kernel: Kernel) -> Op | None:
        """Wait. Raises KernelError (ETIMEDOUT) naming the state at the deadline."""
        wait_for_link(kernel, self.where, self.name, is_settled, timeout=self.timeout, awaited="is up")
        return None

    def difference(self, kernel: Kernel) -> str | None:
        """Look once."""
        link = kernel.at(self.where).find_link(self.name)
        return None if link is not None and is_settled(link) else describe_state(self.name, link)


@dataclass(frozen=True)
class AddressesSettled:
    """The point in a plan where duplicate-address detection must be over. `timeout` in seconds.

    Only where somebody asked for detection: it takes 1 to 2 s (RFC 4862 section 5.4).
    """

    where: Where
    name: str
    timeout: float

    def __str__(self) -> str:
        return f"wait up to {self.timeout:g} s until no address of {self.name} is tentative"

    def apply(self, kernel: Kernel) -> Op | None:
        """Wait. Raises KernelError for a duplicate (EADDRINUSE), or at the deadline (ETIMEDOUT)."""
        deadline = time.monotonic() + self.timeout
        link = kernel.at(self.where).get_link(self.name)
        with _subscribed(kernel, self.where, RTMGRP_IPV6_IFADDR) as events:
            while (said := self.difference(kernel)) is not None:
                if "duplicate" in said:
                    raise KernelError(errno.EADDRINUSE, str(self), said)
                if not _wait_for_event(events, link, deadline):
                    raise KernelError(errno.ETIMEDOUT, str(self), said)
        return None

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first address that is tentative, or a duplicate."""
        link = kernel.at(self.where).get_link(self.name)
        for seen in kernel.at(self.where).addresses(link.index):
            if seen["flags"] & IFA_F_DADFAILED:
                return f"address {seen['address']} on {self.name} is a duplicate of another machine's"
            if seen["flags"] & IFA_F_TENTATIVE:
                return f"address {seen['address']} on {self.name} is tentative"
        return None


def is_settled(link: Link) -> bool:
    """Tell whether packets pass: the link is operationally up, and forwards if it is a bridge's port."""
    return link.operstate in ("UP", "UNKNOWN") and link.is_up and port_state(link) in (None, PORT_FORWARDING)


def port_state(link: Link) -> int | None:
    """Return the spanning-tree state of a bridge's port, None for any other link."""
    return None if link.port is None else link.port.state


def wait_for_link(
    kernel: Kernel,
    where: Where,
    name: str,
    condition: Callable[[Link], bool],
    *,
    timeout: float,
    awaited: str,
) -> Link:
    """Return the link once `condition` holds for it. `timeout` in seconds; `awaited` names the condition.

    Raises:
        KernelError: ETIMEDOUT with the state at the deadline; the link need not exist before.
    """
    link = kernel.at(where).find_link(name)
    if link is not None and condition(link):
        return link  # nearly always: no subscription for what is so already
    deadline = time.monotonic() + timeout
    with _subscribed(kernel, where) as events:
        while True:
            link = kernel.at(where).find_link(name)
            if link is not None and condition(link):
                return link
            if not _wait_for_event(events, link, deadline):
                said = describe_state(name, link)
                raise KernelError(errno.ETIMEDOUT, f"wait {timeout:g} s until {name} {awaited}", said)


def describe_state(name: str, link: Link | None) -> str:
    """Say in one sentence what a link is like now."""
    if link is None:
        return f"interface {name} is missing"
    said = f"interface {name} is {'up' if link.is_up else 'down'}, its operational state {link.operstate}"
    state = port_state(link)
    return said if state is None else f"{said}, its bridge port is {PORT_STATES[state]}"


@contextmanager
def _subscribed(kernel: Kernel, where: Where, groups: int = RTMGRP_LINK) -> Iterator[socket.socket]:
    with kernel.inside(where):
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    with events:
        events.setblocking(False)
        events.bind((0, groups))
        yield events


def _wait_for_event(events: socket.socket, link: Link | None, deadline: float) -> bool:
    """Wait until something happened to the link; return False at the deadline.

    While the link is missing, any link's event may be its birth.
    """
    poll = select.poll()
    poll.register(events, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        poll.poll(left * 1000)
        changed = set(_drain(events))
        if None in changed or (changed and (link is None or link.index in changed)):
            return True
    return False


def _drain(events: socket.socket) -> Iterator[int | None]:
    """Take every waiting message: the index each is about, None where some were lost."""
    while True:
        try:
            data = events.recv(LARGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # the kernel had to drop some: look again
                raise
            yield None
            continue
        yield HEADER.unpack_from(data)[7] if len(data) >= HEADER.size else None
