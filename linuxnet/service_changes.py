"""ServiceChanges: others' changes of the service proxy's table, as they happen (NFNLGRP_NFTABLES).

A commit's messages are followed by one that says its generation. Whatever the service table's own socket
commits is left out by the kernel already (a filter of four instructions), so that a load of 100,000 elements
costs no reading; what libnftables commits for it is known by its generation.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Callable

from linuxnet import nft_messages as nft
from linuxnet.netlink_socket import NETLINK_NETFILTER, SO_RCVBUFFORCE, SOL_NETLINK, news, split
from linuxnet.numbers import NFT_SERVICES_TABLE

NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES = 1, 7  # linux/netlink.h, linux/netfilter/nfnetlink.h
SO_ATTACH_FILTER = 26  # asm-generic/socket.h
BUFFER = 8 << 20  # bytes
_LOAD, _JUMP_IF_EQUAL, _RETURN = (
    0x20,
    0x15,
    0x06,
)  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K (linux/bpf_common.h)
# NFT_MSG_NEWRULE and _DELRULE (linux/netfilter/nf_tables.h) of NFNL_SUBSYS_NFTABLES
RULES = frozenset({(10 << 8) | 6, (10 << 8) | 8})
_PORT_OFFSET = 12  # nlmsghdr, nlmsg_pid
_INSTRUCTION = struct.Struct("=HBBI")  # sock_filter


class ServiceChanges:
    """A socket that hears of others' commits in the namespace its maker's thread was in. Close it.

    `port` is the table's own socket's; `is_own` tells of a generation whether the table's rules made it.
    """

    def __init__(self, port: int, is_own: Callable[[int], bool]) -> None:
        self._is_own = is_own
        self._is_touched = self._has_rules = False
        self.rules_changed = False  # by somebody else, since whoever looks after them has set this to False
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:  # an ordinary user's namespace: what the system allows, then
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        _leave_out(self._socket, port)
        self._socket.bind((0, 0))
        self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def read(self) -> bool:
        """Tell whether anybody else has changed our table since the last look; does not wait.

        A full buffer loses news, and may have lost that: then it is so.
        """
        found = False
        for data in news(self._socket):
            if data is None:
                self._is_touched = self._has_rules = False
                found = self.rules_changed = True
                continue
            for _, kind, _, body in split(data):
                if kind == nft.NEW_GENERATION:
                    found = self._ends(nft.read_generation(body)) or found
                elif nft.read_name(body) == NFT_SERVICES_TABLE:
                    self._is_touched = True
                    self._has_rules = self._has_rules or kind in RULES
        return found

    def _ends(self, generation: int) -> bool:
        """Tell whether a commit that ends here was somebody else's of our table."""
        is_others = self._is_touched and not self._is_own(generation)
        self.rules_changed |= is_others and self._has_rules
        self._is_touched = self._has_rules = False
        return is_others


def _leave_out(listener: socket.socket, port: int) -> None:
    """Let the kernel leave out what a socket with this port number has sent (socket(7), SO_ATTACH_FILTER)."""
    seen = int.from_bytes(port.to_bytes(4, sys.byteorder), "big")  # a filter loads words in network order
    program = ctypes.create_string_buffer(
        _INSTRUCTION.pack(_LOAD, 0, 0, _PORT_OFFSET)
        + _INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, 1, seen)
        + _INSTRUCTION.pack(_RETURN, 0, 0, 0)
        + _INSTRUCTION.pack(_RETURN, 0, 0, 0xFFFFFFFF)
    )
    fprog = struct.pack("HP", 4, ctypes.addressof(program))  # sock_fprog
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
