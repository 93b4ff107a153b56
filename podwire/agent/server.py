"""The loop: accepts, checks who it is, reads, answers late ones. It never blocks, whatever a caller does."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial

from podwire.agent.connection import Connection
from podwire.agent.counters import Counters
from podwire.agent.jobs import Job, Pool
from podwire.agent.protocol import STATUS, ProtocolError, Reply, Request
from podwire.agent.serving import Serving, try_again_later
from podwire.agent.settings import AgentSettings
from podwire.agent.status import describe

READ_DEADLINE = 5.0  # seconds for a caller to send its whole request
CALLERS = 512  # that are being read from; more are told to try again
STOP_DEADLINE = 20.0  # seconds for requests at work when the agent is told to stop
ACCEPT_PAUSE = 0.1  # seconds without accepting, where the system has nothing left to accept with
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)  # accept(2)
ACCEPTS = 64  # at once, before those that are there are looked at again

log = logging.getLogger("podwire.agent")


class Server:
    """One agent on one listening socket, in the network namespace of the thread that makes it.

    `idle` in seconds: `run` returns after that long without a request; 0: it stays. `beat` is called
    whenever the loop turns, at least every `beat_interval` seconds: for a watchdog.
    """

    def __init__(
        self,
        listener: socket.socket,
        settings: AgentSettings,
        *,
        idle: float = 0,
        beat: Callable[[], None] = lambda: None,
        beat_interval: float | None = None,
    ) -> None:
        self.counters = Counters()
        self.serving = Serving(self.counters)
        self._settings, self._idle = settings, idle
        self._beat, self._beat_interval = beat, beat_interval
        self._listener = listener
        self._listener.setblocking(False)
        self._wake_in, self._wake_out = socket.socketpair()
        for one in (self._wake_in, self._wake_out):
            one.setblocking(False)
        self._reading: dict[int, Connection] = {}
        self._stop_at: float | None = None
        self._is_accepting = False
        self._accept_at = 0.0  # not before
        self._last_request = time.monotonic()
        self.pool = Pool(
            self.serving.serve,
            self.serving.take_back,
            workers=settings.workers,
            queue=settings.queue,
            done=self.wake,
        )

    def wake(self) -> None:
        """Let the loop look around; from any thread, or a signal handler."""
        try:
            self._wake_in.send(b"\0")
        except OSError as error:  # full: it will wake up anyway; closed: it has ended
            if error.errno not in (errno.EAGAIN, errno.EBADF):
                raise

    def waker(self) -> socket.socket:
        """Return a socket that is the caller's to close: a byte written to it is a `wake`."""
        return self._wake_in.dup()

    def stop(self) -> None:
        """End when the requests at work are done; from any thread, or a signal handler."""
        self._stop_at = time.monotonic() + STOP_DEADLINE
        self.wake()

    def run(self) -> None:
        """Serve until stopped, or idle for long enough."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_out, selectors.EVENT_READ, self._drain)
            try:
                while not self._is_over():
                    self._tend_listener(selector)
                    for key, _ in selector.select(self._timeout()):
                        key.data()
                    self._turn_out_slow(selector)
                    self.pool.abandon_late(try_again_later("the request took longer than its deadline"))
                    self._beat()
            finally:
                self._close()

    def _close(self) -> None:
        self.pool.stop()
        self._listener.close()
        for connection in self._reading.values():
            connection.close()
        if self.pool.is_idle():  # else a thread may be using it; the process ends soon
            self.serving.close()
        self._wake_in.close()
        self._wake_out.close()

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._stop_at is not None:
            return (self.pool.is_idle() and not self._reading) or now >= self._stop_at
        is_unused = self.pool.is_idle() and not self._reading
        return self._idle > 0 and is_unused and now - self._last_request >= self._idle

    def _timeout(self) -> float:
        """Return how long the loop may sleep, in seconds."""
        now = time.monotonic()
        moments = [now + 60.0, self.pool.next_deadline(), self._stop_at]
        moments += [one.since + READ_DEADLINE for one in self._reading.values()][:1]  # the oldest comes first
        if self._accept_at > now:
            moments.append(self._accept_at)
        if self._idle:
            moments.append(self._last_request + self._idle)
        if self._beat_interval:
            moments.append(now + self._beat_interval)
        return max(0.0, min(one for one in moments if one is not None) - now)

    def _drain(self) -> None:
        try:
            while self._wake_out.recv(4096):
                pass
        except BlockingIOError:  # empty
            return

    def _tend_listener(self, selector: selectors.BaseSelector) -> None:
        """Watch it but in a pause; at a stop close it, so that callers see at once that nobody is here."""
        is_wanted = self._stop_at is None and time.monotonic() >= self._accept_at
        if is_wanted and not self._is_accepting:
            selector.register(self._listener, selectors.EVENT_READ, partial(self._accept, selector))
        elif self._is_accepting and not is_wanted:
            selector.unregister(self._listener)
        self._is_accepting = is_wanted
        if self._stop_at is not None:
            self._listener.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        for _ in range(ACCEPTS):
            try:
                caller, _ = self._listener.accept()
            except BlockingIOError:  # nobody else
                return
            except OSError as error:
                if error.errno not in SHORTAGES:
                    raise
                self.counters.reject(errno.errorcode[error.errno])
                self._accept_at = time.monotonic() + ACCEPT_PAUSE  # it would be told of them again at once
                return
            self._greet(selector, Connection(caller))

    def _greet(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        connection.caller.setblocking(False)
        if connection.peer_uid() not in (0, os.geteuid()):
            self.counters.reject("another user")
            connection.close()
        elif len(self._reading) >= CALLERS:
            self.counters.reject("too many callers")
            self._answer_at_once(connection, try_again_later("too many callers at once"))
        else:
            self._reading[connection.fileno()] = connection
            selector.register(connection, selectors.EVENT_READ, partial(self._read, selector, connection))
            self._read(selector, connection)

    def _read(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        try:
            if not connection.read():
                return
            self._forget(selector, connection)
            request = connection.request()
        except ProtocolError as error:
            if not connection.is_silent:
                log.info("a caller was turned away: %s", error)
                self.counters.reject("no request")
            self._forget(selector, connection)
            connection.close()
            return
        self._last_request = time.monotonic()
        self._take(request, connection)

    def _take(self, request: Request, connection: Connection) -> None:
        """Queue a request; a question for the status is answered beside the queue, which may be stuck."""
        if request.plugin == STATUS:
            self._answer_at_once(connection, self._status())
            return
        job = Job(request, connection, self._last_request + self._settings.deadline)
        if not self.pool.put(job):
            self.counters.reject("queue full")
            why = f"{self._settings.queue} requests are waiting already"
            self._answer_at_once(connection, try_again_later(why))

    def _answer_at_once(self, connection: Connection, reply: Reply) -> None:
        """Answer with what fits into the socket's buffer, as these answers do: nobody is waited for."""
        connection.answer(reply, timeout=0)
        connection.close()

    def _turn_out_slow(self, selector: selectors.BaseSelector) -> None:
        oldest = time.monotonic() - READ_DEADLINE
        for connection in [one for one in self._reading.values() if one.since <= oldest]:
            self.counters.reject("half a request")
            self._forget(selector, connection)
            connection.close()

    def _forget(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        if self._reading.pop(connection.fileno(), None) is not None:
            selector.unregister(connection)

    def _status(self) -> Reply:
        try:
            return Reply(0, describe(self.counters, self.pool).encode())
        except OSError as error:  # no descriptor is left to look at /proc with
            return try_again_later(f"the agent cannot read its own state: {error.strerror}")
