"""The loop of one process: datagrams and connections in, answers out.

Datagrams are taken in bursts, so that a busy server asks the kernel who has something to say once for
many of them; others, who may answer later and in other threads, send by themselves or post.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic, perf_counter

from service_proxy.bell import Bell
from service_proxy.dns.answers import Answers
from service_proxy.dns.counting import Clock, Snapshot, Tally, snapshot
from service_proxy.dns.later import Asked, Later
from service_proxy.dns.resolver import Resolver, Searcher
from service_proxy.dns.sockets import Pair
from service_proxy.dns.stream import IDLE, Stream
from service_proxy.model import Address

BURST = 64  # datagrams of one socket before others have their turn
DATAGRAM = 4096  # bytes; no query is longer, and an end that is cut off makes it malformed
STREAMS_MAX = 1000  # connections; the one that was silent for longest makes room
TICK = 0.25  # seconds between looks at what waits


class Server:
    """One process' server. Everything but `post` and `stop` belongs to the thread that runs it."""

    def __init__(
        self,
        answers: Answers,
        pairs: Iterable[Pair],
        resolver: Resolver | None = None,
        searcher: Searcher | None = None,
    ) -> None:
        self.answers = answers
        self._later = Later(answers, resolver, searcher)
        self._clock = Clock()
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._serving: list[Callable[[int], None]] = []  # one for each UDP socket
        self._streams: dict[int, Stream] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._bell = Bell()
        self._is_running = True
        self.each_second: Callable[[], None] | None = None
        self.watch(self._bell.fileno(), self._run_posted)
        for pair in pairs:
            self._add(pair)

    def watch(self, descriptor: int, ready: Callable[[int], None]) -> None:
        """Call `ready` with the events of a descriptor whenever there is something to read."""
        self._ready[descriptor] = ready
        self._epoll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Look at a descriptor no more."""
        self._epoll.unregister(descriptor)
        del self._ready[descriptor]

    def post(self, call: Callable[[], None]) -> None:
        """Have something called in the loop; from any thread."""
        self._posted.append(call)
        self._bell.ring()

    def stop(self) -> None:
        """End the loop; from any thread."""
        self.post(self._stop)

    def run(self) -> None:
        """Serve until stopped."""
        swept = monotonic()
        while self._is_running:
            for descriptor, events in self._epoll.poll(TICK):
                if (ready := self._ready.get(descriptor)) is not None:
                    ready(events)
            self._later.wake()
            if monotonic() > swept + 1:
                swept = monotonic()
                self._sweep(swept - IDLE)
                if self.each_second is not None:
                    self.each_second()
        for serve in self._serving:  # a query in a socket that is closed would wait in vain
            serve(0)

    def close(self) -> None:
        """Close what was opened here; the sockets are their owner's."""
        for stream in self._streams.values():
            stream.socket.close()
        self._epoll.close()
        self._bell.close()

    def snapshot(self) -> Snapshot:
        """Return what was asked and answered so far."""
        return snapshot(list(self._tallies.values()), self._clock)

    def _add(self, pair: Pair) -> None:
        family = "1" if pair.udp.family == socket.AF_INET else "2"
        udp, tcp = (
            self._tallies.setdefault((proto, family), Tally(proto, family)) for proto in ("udp", "tcp")
        )
        serve = partial(self._serve, pair.udp, udp)
        self._serving.append(serve)
        self.watch(pair.udp.fileno(), serve)
        self.watch(pair.tcp.fileno(), partial(self._accept, pair.tcp, tcp))

    def _serve(self, udp: socket.socket, tally: Tally, _: int) -> None:
        """Answer what has come. The few lines that a hundred thousand queries a second go through."""
        receive, send, answer = udp.recvfrom, udp.sendto, self.answers.answer
        started, number = perf_counter(), 0
        try:
            for number in range(1, BURST + 1):  # noqa: B007 - of those that came, also when none is left
                message, client = receive(DATAGRAM)
                reply = answer(message, tally)
                if reply:
                    try:
                        send(reply, client)
                    except OSError:  # no buffer, no way, port 0: as good as lost on the way
                        self._clock.dropped += 1
                elif reply is None:
                    give = partial(self._send, udp, client)
                    self._later.take(Asked(message, packed(client[0]), False, tally, give))
        except BlockingIOError:
            number -= 1
        except OSError:  # an error of an earlier answer, told here
            pass
        if number:
            self._clock.note(number, perf_counter() - started)

    def _send(self, udp: socket.socket, client: tuple[str, int], reply: bytes) -> None:
        try:
            if reply:
                udp.sendto(reply, client)
        except OSError:  # as above
            self._clock.dropped += 1

    def _accept(self, tcp: socket.socket, tally: Tally, _: int) -> None:
        try:
            connection, client = tcp.accept()
        except OSError:  # it has gone again, or there are no descriptors: it will be asked again
            return
        if len(self._streams) >= STREAMS_MAX:
            self._end(min(self._streams.items(), key=lambda item: item[1].last)[0])
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = partial(self.answers.answer, is_stream=True)
        stream = Stream(
            connection, packed(client[0]), tally, answer, self._later.take, self._post_for(connection)
        )
        self._streams[connection.fileno()] = stream
        self._ready[connection.fileno()] = partial(self._stream, connection.fileno(), stream)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _post_for(self, connection: socket.socket) -> Callable[[Callable[[], None]], None]:
        descriptor = connection.fileno()

        def post(call: Callable[[], None]) -> None:
            self.post(lambda: self._continue(descriptor, call))

        return post

    def _continue(self, descriptor: int, call: Callable[[], None]) -> None:
        stream = self._streams.get(descriptor)
        call()
        if stream is not None:
            self._settle(descriptor, stream)

    def _stream(self, descriptor: int, stream: Stream, events: int) -> None:
        if events & (select.EPOLLHUP | select.EPOLLERR):  # both ends: nothing can be said any more
            stream.is_over = True
        if events & select.EPOLLOUT and not stream.is_over:
            stream.write()
        if events & ~select.EPOLLOUT and not stream.is_over:
            started = perf_counter()
            stream.read()
            self._clock.note(1, perf_counter() - started)
        self._settle(descriptor, stream)

    def _settle(self, descriptor: int, stream: Stream) -> None:
        """Wait for what a connection now waits for."""
        if stream.is_over:
            self._end(descriptor)
            return
        events = (select.EPOLLIN if stream.wants_to_read else 0) | (
            select.EPOLLOUT if stream.wants_to_write else 0
        )
        self._epoll.modify(descriptor, events)

    def _end(self, descriptor: int) -> None:
        stream = self._streams.pop(descriptor, None)
        if stream is not None:
            stream.is_over = True
            self._epoll.unregister(descriptor)
            del self._ready[descriptor]
            stream.socket.close()

    def _sweep(self, before: float) -> None:
        for descriptor in [one for one, stream in self._streams.items() if stream.last < before]:
            self._end(descriptor)

    def _run_posted(self, _: int) -> None:
        self._bell.hush()
        while self._posted:
            self._posted.popleft()()

    def _stop(self) -> None:
        self._is_running = False


def packed(text: str) -> Address:
    """Return a client's address; what is after a `%` is a link's name."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return socket.inet_pton(family, text.partition("%")[0])
