"""Requests at work: a bounded queue, a pool of threads, a deadline each, one attachment at a time.

A thread cannot be stopped. So a request whose deadline is over is answered by the loop, its thread is
left to come to an end by itself, and another takes its place in the pool. What such a request, or one
whose caller went away, has attached after all is taken back: nobody heard that it is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread

from podwire.agent.connection import Connection
from podwire.agent.protocol import Reply, Request

STUCK_LIMIT = 64  # threads beyond the pool; more are not started, and requests wait in the queue

log = logging.getLogger("podwire.agent")


@dataclass(eq=False)
class Job:
    """One request and who waits for its answer. `deadline` in seconds of the monotonic clock."""

    request: Request
    connection: Connection
    deadline: float
    is_taken: bool = False
    is_answered: bool = False
    is_replaced: bool = False  # its thread has a successor, and ends with it
    _lock: Lock = field(default_factory=Lock)

    def answer(self, reply: Reply) -> bool:
        """Answer, if nobody has; tell whether the caller took it."""
        with self._lock:
            if self.is_answered:
                return False
            self.is_answered = True
        return self.connection.answer(reply)

    def answer_late(self, reply: Reply) -> None:
        """Answer for the thread that has not: so short an answer fits into the socket's buffer."""
        with self._lock:
            if not self.is_answered:
                self.is_answered = True
                self.connection.answer(reply)

    def close(self) -> None:
        """Close the caller's connection, but not in the middle of a late answer."""
        with self._lock:
            self.connection.close()


class AttachmentLocks:
    """One request of a plugin at a time for each attachment: a DEL waits for the ADD that is at work.

    Of a plugin: one may call another, for the same attachment, in the middle of its own work.
    """

    def __init__(self) -> None:
        self._door = Lock()
        self._locks: dict[tuple[str, str, str], tuple[Lock, int]] = {}

    @contextmanager
    def hold(self, request: Request) -> Iterator[None]:
        """Hold the lock of a request's attachment; one without an attachment needs none."""
        variables = request.environment
        container = variables.get("CNI_CONTAINERID", "")
        key = request.plugin, container, variables.get("CNI_IFNAME", "")
        if not container:
            yield
            return
        with self._door:
            lock, users = self._locks.get(key, (Lock(), 0))
            self._locks[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._door:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = lock, users - 1


class Pool:
    """Threads that serve jobs. `serve` answers a request, `take_back` undoes an ADD nobody heard of."""

    def __init__(
        self,
        serve: Callable[[Job], Reply],
        take_back: Callable[[Job], None],
        *,
        workers: int,
        queue: int,
        done: Callable[[], None],
    ) -> None:
        self._serve, self._take_back, self._done = serve, take_back, done
        self._limit = queue
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._locks = AttachmentLocks()
        self._jobs: set[Job] = set()
        self._threads = 0
        self.surplus = 0  # threads whose request is over its deadline
        for _ in range(workers):
            self._start_thread()

    @property
    def waiting(self) -> int:
        """Return how many requests no thread has begun with."""
        return self._queue.qsize()

    @property
    def busy(self) -> int:
        """Return how many requests are at work."""
        return max(0, len(self._jobs) - self.waiting)

    def put(self, job: Job) -> bool:
        """Queue a job; return False if too many are waiting."""
        if self._queue.qsize() >= self._limit:
            return False
        with self._lock:
            self._jobs.add(job)
        self._queue.put(job)
        return True

    def is_idle(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self._jobs

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of a job that nobody has answered."""
        with self._lock:
            return min((job.deadline for job in self._jobs if not job.is_answered), default=None)

    def abandon_late(self, reply: Reply) -> None:
        """Answer every job whose deadline is over, and give its thread a successor."""
        now = time.monotonic()
        with self._lock:
            late = [job for job in self._jobs if job.deadline <= now and not job.is_answered]
        for job in late:
            job.answer_late(reply)
        for job in late:
            if self._is_to_be_replaced(job):
                self._start_thread()

    def _is_to_be_replaced(self, job: Job) -> bool:
        """Tell whether a late job's thread needs a successor; from then on it has one."""
        with self._lock:
            job.is_replaced = job.is_taken and job in self._jobs and self.surplus < STUCK_LIMIT
            self.surplus += job.is_replaced
        return job.is_replaced

    def stop(self) -> None:
        """Let the threads end when the queue is empty."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)

    def _start_thread(self) -> None:
        with self._lock:
            self._threads += 1
        Thread(target=self._work, name="worker", daemon=True).start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            with self._lock:
                job.is_taken = True
            if not job.is_answered:
                self._run(job)
            job.close()
            with self._lock:
                self._jobs.discard(job)
                self.surplus -= job.is_replaced
                self._threads -= job.is_replaced
            self._done()
            if job.is_replaced:  # its successor is at work already
                return

    def _run(self, job: Job) -> None:
        try:
            with self._locks.hold(job.request):
                if job.is_answered:  # it was late before it could begin: whoever asked may have asked again
                    return
                reply = self._serve(job)
                if not job.answer(reply) and _attached(job.request, reply):
                    self._take_back(job)
        except Exception:
            log.exception("a request of %s failed in the agent itself", job.request.plugin)


def _attached(request: Request, reply: Reply) -> bool:
    return request.environment.get("CNI_COMMAND") == "ADD" and reply.status == 0
