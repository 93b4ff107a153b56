"""The pool: late requests, their threads and their successors, in the orders that a server meets seldom."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event

import pytest

from podwire.agent.connection import Connection
from podwire.agent.jobs import Job, Pool
from podwire.agent.protocol import Reply, Request, decode_reply
from tests.agent.conftest import wait_until

WAIT = 60  # seconds after which something that must come has not
LATE = Reply(1, b"late")


class Crowd:
    """Requests named by their container, for a pool of one thread; one named "stuck..." waits for `go`."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.begun: SimpleQueue[str] = SimpleQueue()
        self.taken_back: list[str] = []
        self.go = Event()
        self._turned: SimpleQueue[None] = SimpleQueue()
        self.pool = Pool(
            self._serve, self._take_back, workers=1, queue=999, done=lambda: self._turned.put(None)
        )

    def put(self, name: str, verb: str = "ADD", *, seconds: float = 60) -> socket.socket:
        """Queue a request with a deadline in so many seconds; return the caller's end."""
        ours, theirs = socket.socketpair()
        self._stack.enter_context(ours)
        ours.settimeout(WAIT)
        variables = {"CNI_COMMAND": verb, "CNI_CONTAINERID": name.partition(" ")[0], "NAME": name}
        deadline = time.monotonic() + seconds
        assert self.pool.put(Job(Request("bridge", variables, b""), Connection(theirs), deadline))
        return ours

    def finish(self, number: int) -> None:
        """Wait until so many requests have left the pool."""
        for _ in range(number):
            self._turned.get(timeout=WAIT)

    def is_contended(self) -> bool:
        """Tell whether a request waits for another of its attachment."""
        return any(users > 1 for _, users in list(self.pool._locks._locks.values()))

    def _serve(self, job: Job) -> Reply:
        name = job.request.environment["NAME"]
        self.begun.put(name)
        if name.startswith("stuck"):
            assert self.go.wait(WAIT)
        return Reply(0, name.encode())

    def _take_back(self, job: Job) -> None:
        self.taken_back.append(job.request.environment["NAME"])


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ExitStack() as stack:
        made = Crowd(stack)
        yield made
        made.go.set()
        made.pool.stop()


def heard(caller: socket.socket) -> Reply:
    """Return what a caller was told."""
    return decode_reply(b"".join(iter(lambda: caller.recv(4096), b"")))


def test_what_is_late_in_the_queue_costs_the_successor_nothing(crowd: Crowd) -> None:
    stuck = crowd.put("stuck", seconds=0)
    assert crowd.begun.get(timeout=WAIT) == "stuck"
    queued = [crowd.put(f"queued{i}", seconds=0) for i in range(3)]

    crowd.pool.abandon_late(LATE)

    assert [heard(one) for one in (stuck, *queued)] == [LATE] * 4
    assert heard(crowd.put("next")) == Reply(0, b"next"), "a thread is left for it"
    assert crowd.begun.get(timeout=WAIT) == "next", "nobody waits for what was queued: it is not begun"


def test_after_any_number_of_stuck_ones_there_are_as_many_threads(crowd: Crowd) -> None:
    for number in range(5):
        crowd.put(f"stuck{number}", seconds=0)
        assert crowd.begun.get(timeout=WAIT) == f"stuck{number}"
        crowd.pool.abandon_late(LATE)
        crowd.pool.abandon_late(LATE)
    assert crowd.pool.surplus == 5

    crowd.go.set()
    crowd.finish(5)

    assert crowd.pool.surplus == 0 and crowd.pool._threads == 1
    assert sorted(crowd.taken_back) == [f"stuck{number}" for number in range(5)]
    assert heard(crowd.put("next")) == Reply(0, b"next")


def test_a_late_del_does_not_come_after_the_next_add(crowd: Crowd) -> None:
    """Its caller was told to try again, did so, and attached anew: then it must not run any more."""
    crowd.put("stuck", seconds=0)
    assert crowd.begun.get(timeout=WAIT) == "stuck"
    crowd.pool.abandon_late(LATE)
    late = crowd.put("stuck", "DEL", seconds=0)  # waits for the lock of its attachment
    wait_until(crowd.is_contended)
    crowd.pool.abandon_late(LATE)
    assert heard(late) == LATE

    crowd.go.set()

    again = crowd.put("stuck again")
    assert heard(again) == Reply(0, b"stuck again")
    crowd.finish(3)
    assert crowd.begun.get(timeout=WAIT) == "stuck again" and crowd.begun.empty()


def test_what_is_in_time_is_never_taken_for_late(crowd: Crowd) -> None:
    """One that ends between two looks at the clock has its answer, and no successor to its thread."""
    for number in range(200):
        name = f"quick{number}"
        caller = crowd.put(name, seconds=0)
        crowd.pool.abandon_late(LATE)
        assert heard(caller) in (LATE, Reply(0, name.encode()))
    crowd.finish(200)
    assert crowd.pool.surplus == 0 and crowd.pool._threads == 1
