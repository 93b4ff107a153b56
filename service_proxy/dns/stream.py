"""One TCP connection: queries with their lengths before them, answered as they come (RFC 7766)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic

from service_proxy.dns.counting import Tally
from service_proxy.dns.later import Asked
from service_proxy.model import Address

IDLE = 10.0  # seconds without a whole query after which it is closed; CoreDNS'
OUT_MAX = 1 << 18  # bytes that wait to be sent: nothing is read from one who does not
PENDING_MAX = 128  # queries that others have yet to answer
READ = 1 << 16  # bytes


class Stream:
    """A connection. It says what it waits for; whoever has the loop calls it."""

    def __init__(
        self,
        connection: socket.socket,
        client: Address,
        tally: Tally,
        answer: Callable[[bytes, Tally], bytes | None],
        later: Callable[[Asked], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self.socket = connection
        self.last = monotonic()
        self.is_over = False
        self._client, self._tally = client, tally
        self._answer, self._later, self._post = answer, later, post
        self._coming = b""
        self._going = bytearray()
        self._pending = 0
        self._has_ended = False  # the client sends no more, and may still read

    @property
    def wants_to_read(self) -> bool:
        """Tell whether more is to be read."""
        is_slow = len(self._going) > OUT_MAX or self._pending >= PENDING_MAX
        return not (is_slow or self._has_ended or self.is_over)

    @property
    def wants_to_write(self) -> bool:
        """Tell whether something is left to be sent."""
        return bool(self._going) and not self.is_over

    def read(self) -> None:
        """Take what has come and answer what is whole."""
        try:
            came = self.socket.recv(READ)
        except BlockingIOError:
            return
        except OSError:  # reset, timed out: there is nobody to tell
            self.is_over = True
            return
        if came:
            self._take(self._coming + came)
        else:
            self._has_ended = True
        self.write()

    def write(self) -> None:
        """Send what there is, as far as it goes; a client that has ended has got everything then."""
        try:
            if self._going:
                del self._going[: self.socket.send(self._going)]
        except BlockingIOError:
            return
        except OSError:  # as above
            self.is_over = True
        self.is_over |= self._has_ended and not self._going and not self._pending

    def _take(self, data: bytes) -> None:
        at = 0
        while len(data) - at >= 2:
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data):
                break
            self._ask(data[at + 2 : end])
            at = end
        self._coming = data[at:]
        if at:
            self.last = monotonic()

    def _ask(self, message: bytes) -> None:
        reply = self._answer(message, self._tally)
        if reply is None:
            self._pending += 1
            self._later(Asked(message, self._client, True, self._tally, self._answer_later))
        else:
            self._put(reply)

    def _answer_later(self, reply: bytes) -> None:
        """Take an answer in any thread."""
        self._post(lambda: self._finish(reply))

    def _finish(self, reply: bytes) -> None:
        self._pending -= 1
        if not self.is_over:
            self._put(reply)
            self.write()

    def _put(self, reply: bytes) -> None:
        if reply:
            self._going += len(reply).to_bytes(2, "big") + reply
        else:
            self.is_over = True  # whoever sends what deserves silence has nothing else to say
