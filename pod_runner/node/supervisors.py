"""The supervisors of this node: one thread listens to all of them, and tells what they say.

A supervisor that has just been forked does not listen yet; one whose agent was started anew does already.
Either is tried until it answers, or is known to be dead. What cannot be understood ends the conversation,
and a new one is begun: only a process that has ended counts as dead.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from pod_runner.cluster.bodies import JsonObject
from pod_runner.supervisor import lock
from pod_runner.supervisor.lines import BadLine, Lines
from pod_runner.supervisor.order import SOCKET

FIRST_TRY, LONGEST_TRY = 0.005, 0.5  # seconds between trials: nothing tells that somebody listens
STARTS_WITHIN = 20.0  # seconds for a new supervisor to listen, on a machine that is very busy
Tell = Callable[[str, JsonObject | None], None]  # uid, status; None: it has ended, or there is none


@dataclass
class _Call:
    """A conversation with one supervisor, or the trial to have one. `pid`: forked a moment ago, or 0."""

    uid: str
    folder: Path
    pid: int
    begun: float
    lines: Lines | None = None
    again: float = 0.0
    pause: float = FIRST_TRY
    wishes: dict[object, JsonObject] = field(default_factory=dict)  # the last of each kind
    asides: list[Lines] = field(default_factory=list)  # on which a wish was sent


class Supervisors:
    """Conversations with supervisors. `tell` is called in its thread, and must not block."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._calls: dict[str, _Call] = {}
        self._thread = Thread(target=self._run, name="supervisors", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def watch(self, uid: str, folder: Path, pid: int = 0) -> None:
        """Listen to the supervisor of a folder; `pid`: it was just forked, and may need a moment."""
        self._do(lambda: self._begin(_Call(uid, folder, pid, time.monotonic())))

    def ask(self, uid: str, wish: JsonObject) -> None:
        """Send a request whose answer does not matter; whoever supervises the pod next is sent it, too."""
        self._do(lambda: self._wish(uid, wish))

    def forget(self, uid: str) -> None:
        """Listen no more to one."""
        self._do(lambda: self._end(uid))

    def stop(self) -> None:
        """End; supervisors go on."""
        self._asked.put(None)
        os.eventfd_write(self._waker, 1)
        self._thread.join()
        os.close(self._waker)  # not before: it is written to here, and the thread may have woken by itself

    def _do(self, act: Callable[[], None]) -> None:
        self._asked.put(act)
        os.eventfd_write(self._waker, 1)

    def _run(self) -> None:
        while self._do_asked():
            for key, _ in self._selector.select(self._timeout()):
                call = key.data
                if call is None:
                    os.eventfd_read(self._waker)
                else:
                    self._read(call, key.fileobj)
            now = time.monotonic()
            for call in [one for one in self._calls.values() if one.lines is None and one.again <= now]:
                self._try(call)
        for uid in list(self._calls):
            self._end(uid)
        self._selector.close()

    def _do_asked(self) -> bool:
        with suppress(Empty):  # that was all
            while True:
                act = self._asked.get_nowait()
                if act is None:
                    return False
                act()
        return True

    def _timeout(self) -> float | None:
        waiting = [call.again for call in self._calls.values() if call.lines is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _begin(self, call: _Call) -> None:
        before = self._calls.get(call.uid)
        if before is not None and before.lines is not None:
            return
        call.wishes = before.wishes if before else {}
        self._calls[call.uid] = call
        self._try(call)

    def _wish(self, uid: str, wish: JsonObject) -> None:
        call = self._calls.get(uid)
        if call is None:
            return
        call.wishes[wish.get("ask")] = wish
        if call.lines is not None:
            self._send_aside(call, wish)

    def _end(self, uid: str) -> None:
        call = self._calls.pop(uid, None)
        if call is not None:
            self._hang_up(call)

    def _hang_up(self, call: _Call) -> None:
        for lines in (*call.asides, *((call.lines,) if call.lines else ())):
            self._selector.unregister(lines)
            lines.close()
        call.asides, call.lines = [], None

    def _try(self, call: _Call) -> None:
        """Connect; where nobody listens, find out whether somebody will."""
        try:
            lines = Lines(connect(call.folder))
        except OSError:
            is_late = time.monotonic() - call.begun > STARTS_WITHIN
            if is_late or not (is_running(call.pid) or lock.is_held(call.folder)):
                self._calls.pop(call.uid, None)
                self._tell(call.uid, None)
            call.pause = min(LONGEST_TRY, call.pause * 2)
            call.again = time.monotonic() + call.pause
            return
        call.lines, call.pid = lines, 0
        self._send(call, lines, {"ask": "watch"})
        for wish in call.wishes.values():
            self._send_aside(call, wish)

    def _send_aside(self, call: _Call, wish: JsonObject) -> None:
        with suppress(OSError):  # it has just ended: reading says so
            lines = Lines(connect(call.folder))
            call.asides.append(lines)
            self._send(call, lines, wish)

    def _send(self, call: _Call, lines: Lines, body: JsonObject) -> None:
        self._selector.register(lines, selectors.EVENT_READ, call)
        with suppress(OSError):
            lines.send(body)

    def _read(self, call: _Call, lines: object) -> None:
        if call.lines is not None and call.lines is lines:
            for body in _read(call.lines):
                self._tell(call.uid, body)
            if call.lines.is_at_end:
                self._hang_up(call)
                call.again = call.begun = time.monotonic()
                call.pause = FIRST_TRY
        for aside in [one for one in call.asides if one is lines]:
            _read(aside)
            if aside.is_at_end:
                self._selector.unregister(aside)
                aside.close()
                call.asides.remove(aside)


def _read(lines: Lines) -> list[JsonObject]:
    """Return what has come; a conversation that went wrong is at its end."""
    found: list[JsonObject] = []
    try:
        lines.fill()
        while (body := lines.take()) is not None:
            found.append(body)
    except BlockingIOError:  # woken for nothing
        return found
    except (OSError, BadLine):
        lines.is_at_end = True
    return [one for one in found if "error" not in one]


def is_running(pid: int) -> bool:
    """Tell whether there is a process of that number; 0 is none, and one that nobody reaps has ended."""
    if pid <= 0:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # ENOENT, ESRCH: it has ended
        return False
    return stat.rpartition(") ")[2][:1] not in ("Z", "X")  # proc(5), the third field


def connect(folder: Path) -> socket.socket:
    """Connect to a folder's supervisor, by way of its descriptor: sun_path has 107 bytes. Raises OSError."""
    connection = socket.socket(
        socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    )
    place = -1
    try:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        connection.connect(f"/proc/self/fd/{place}/{SOCKET}")
    except OSError:
        connection.close()
        raise
    finally:
        if place >= 0:
            os.close(place)
    return connection
