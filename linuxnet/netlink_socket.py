"""One netlink socket: questions, changes, dumps and batches, each ending in an answer or a refusal.

A socket belongs for good to the namespace its maker's thread was in. It is used by one thread at a time.
Refusals carry the kernel's extended text where it gives one (linux/netlink.h, NLMSGERR_ATTR_MSG).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator, Sequence

from linuxnet.netlink_wire import (
    HEADER,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    message,
    read_attributes,
    read_text,
)

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12  # linux/netlink.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_DUMP_INTR = 0x10
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h
RECEIVE_SIZE = 65536  # bytes; the kernel fills at most 32 KiB of a dump's datagram
STREAMED = 128  # messages at once; their answers fit the smallest receive buffer (net.core.rmem_default)
DUMP_TRIALS = 10  # an interrupted dump ten times over is a storm worth reporting

_ERROR = struct.Struct("=i")


class Refused(Exception):
    """The kernel's answer to one message: its errno and its words ("" if it has none).

    `offset` is where in the message the attribute is that it refuses, in bytes; 0 if it does not tell.
    """

    def __init__(self, number: int, said: str = "", offset: int = 0) -> None:
        super().__init__(number, said)
        self.errno = number
        self.said = said
        self.offset = offset


class NetlinkSocket:
    """A socket of one netlink protocol. Close it."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        if protocol == NETLINK_ROUTE:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        self._sequence = 0
        self.sent = 0  # messages; what an operation costs

    @property
    def port(self) -> int:
        """Return the number that tells this socket's changes from others' (nlmsghdr, nlmsg_pid)."""
        if not self._socket.getsockname()[0]:
            self._socket.bind((0, 0))
        number: int = self._socket.getsockname()[0]
        return number

    def allow_sending(self, size: int) -> bool:
        """Let one batch have so many bytes; False if that is the administrator's to allow, and was not."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, size)
        except PermissionError:  # an ordinary user's namespace
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def change(self, kind: int, flags: int, body: bytes) -> None:
        """Send a request that changes something. Raises Refused."""
        sequence = self._send(kind, NLM_F_REQUEST | NLM_F_ACK | flags, body)
        while True:
            for answered, of, data in self._receive():
                if of == NLMSG_ERROR and answered == sequence:
                    _raise_refusal(data, HEADER.size)
                    return

    def get(self, kind: int, body: bytes, flags: int = 0) -> bytes:
        """Ask for one thing and return the answer's body. Raises Refused."""
        sequence = self._send(kind, NLM_F_REQUEST | flags, body)
        while True:
            for answered, of, data in self._receive():
                if answered == sequence and of == NLMSG_ERROR:
                    _raise_refusal(data, HEADER.size)
                elif answered == sequence and of != NLMSG_DONE:
                    return data

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Ask for everything of a kind and return the answers' bodies. Raises Refused.

        A dump that a change has interrupted is taken again (EINTR, netlink(7)).
        """
        for _ in range(DUMP_TRIALS):
            found: list[bytes] = []
            if self._dump_once(kind, body, found):
                return found
        raise Refused(errno.EINTR, "the kernel's state changed all the time while it was read")

    def stream(self, messages: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, Refused]]:
        """Make changes that do not depend on each other's success; return (position, refusal) pairs.

        The kernel takes them in their order and tells of each that it refuses; an acknowledgement is asked
        of the last of a part only, since 20,000 of them would cost as much as the changes.
        """
        refused: list[tuple[int, Refused]] = []
        for i in range(0, len(messages), STREAMED):
            part = messages[i : i + STREAMED]
            first, last = self._sequence + 1, self._sequence + len(part)
            self._sequence = last
            self.sent += len(part)
            wire = [
                message(kind, NLM_F_REQUEST | (NLM_F_ACK if number == last else 0) | flags, number, body)
                for number, (kind, flags, body) in enumerate(part, first)
            ]
            self._socket.send(b"".join(wire))
            is_done = False
            while not is_done:
                for answered, of, data in self._receive():
                    if of != NLMSG_ERROR or answered < first:
                        continue
                    is_done = is_done or answered == last
                    number = _ERROR.unpack_from(data)[0]
                    if number:
                        refused.append((i + answered - first, Refused(-number, _said(data, HEADER.size))))
        return refused

    def batch(self, messages: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, Refused]]:
        """Send messages as one datagram, a transaction; return (position, refusal) pairs.

        The first opens the transaction, the last closes it; the one before the last asks for an answer,
        which comes unless opening or closing is what was refused (net/netfilter/nfnetlink.c).
        """
        first = self._sequence + 1
        self._sequence += len(messages)
        self.sent += len(messages)
        asked = len(messages) - 2
        wire = [
            message(kind, NLM_F_REQUEST | flags | (NLM_F_ACK if i == asked else 0), first + i, body)
            for i, (kind, flags, body) in enumerate(messages)
        ]
        self._socket.send(b"".join(wire))
        refused: list[tuple[int, Refused]] = []
        while True:
            for answered, of, data in self._receive():
                position = answered - first
                number = _ERROR.unpack_from(data)[0] if of == NLMSG_ERROR else 0
                if number:
                    said, offset = _said(data, HEADER.size), _offset(data)
                    refused.append((position, Refused(-number, said, offset)))
                if position == asked or (number and position in (0, asked + 1)):
                    return refused

    def _dump_once(self, kind: int, body: bytes, found: list[bytes]) -> bool:
        """Collect one dump; return False if it was interrupted."""
        sequence = self._send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)
        is_whole = True
        while True:
            data = self._socket.recv(RECEIVE_SIZE)
            for answered, of, flags, part in split(data):
                is_whole = is_whole and not flags & NLM_F_DUMP_INTR
                if answered != sequence:
                    continue
                if of in (NLMSG_DONE, NLMSG_ERROR):
                    _raise_refusal(part, HEADER.size if of == NLMSG_ERROR else 0)
                    return is_whole
                found.append(part)

    def _send(self, kind: int, flags: int, body: bytes) -> int:
        self._sequence += 1
        self.sent += 1
        self._socket.send(message(kind, flags, self._sequence, body))
        return self._sequence

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (sequence, type, body) of the messages in the next datagram."""
        for sequence, kind, _, body in split(self._socket.recv(RECEIVE_SIZE)):
            yield sequence, kind, body


def split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (sequence, type, flags, body) of each message in a datagram."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        yield sequence, kind, flags, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _raise_refusal(body: bytes, header: int) -> None:
    """Raise what an error says; 0 is an acknowledgement. A dump's end is an error without a header."""
    number = _ERROR.unpack_from(body)[0] if len(body) >= _ERROR.size else 0
    if number:
        raise Refused(-number, _said(body, header))


def _said(body: bytes, header: int) -> str:
    """Return the extended text behind an error's number and the refused message's own header."""
    found = read_attributes(body, _ERROR.size + header)
    return read_text(found.get(NLMSGERR_ATTR_MSG, b""))


def _offset(body: bytes) -> int:
    """Return where a refused message's wrong attribute is, 0 if nobody tells."""
    found = read_attributes(body, _ERROR.size + HEADER.size).get(NLMSGERR_ATTR_OFFS)
    return int(_ERROR.unpack(found)[0]) if found else 0


def news(listener: socket.socket) -> Iterator[bytes | None]:
    """Yield the datagrams that wait at a socket that only listens; None where the kernel had to lose some."""
    while True:
        try:
            yield listener.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield None
