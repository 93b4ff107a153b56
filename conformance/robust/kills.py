"""SIGKILL in the middle of ADD and DEL: what a lack of memory, or an impatient runtime, does to a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from conformance.case import Case
from conformance.clause import Level, clause
from conformance.robust.killing import kill_after
from conformance.robust.leavings import again, renew, rounds_within, settle, watch
from conformance.robust.sanity import expect_success

BUDGET = 4  # seconds that the rounds of one clause may take
MOST, LEAST = 24, 10  # rounds


@clause("robust-killed-add", Level.ROBUST, "beyond", "recovers from an ADD that was killed", seconds=90)
def killed_add(case: Case) -> None:
    """ADD killed by SIGKILL at any instant, with all that it has started, is undone by DEL; ADD works again.

    The instants are spread over the time that an ADD takes. Afterwards nothing is left, in the kernel, in
    files, or at the delegate.
    """
    takes = settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    instants = Instants(takes)
    for instant in instants:
        instants.note(kill_after(case.call("ADD", attachment), instant))
        when = f"an ADD that was killed after {instant * 1000:.0f} ms"
        expect_success(case.ask("DEL", attachment), f"DEL after {when}")
        renew(case, attachment)
    again(case, attachment)
    before.expect_same("ADDs that were killed, each followed by DEL")


@clause("robust-killed-del", Level.ROBUST, "beyond", "recovers from a DEL that was killed", seconds=90)
def killed_del(case: Case) -> None:
    """DEL killed by SIGKILL at any instant, with all that it has started, is completed by the next DEL."""
    takes = settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    instants = Instants(takes)
    for instant in instants:
        added = case.add(attachment)
        instants.note(kill_after(case.call("DEL", added), instant))
        when = f"a DEL that was killed after {instant * 1000:.0f} ms"
        expect_success(case.ask("DEL", added), f"DEL after {when}")
        renew(case, attachment)
    again(case, attachment)
    before.expect_same("DELs that were killed, each followed by another")


@clause("robust-killed-retry", Level.ROBUST, "beyond", "serves another container after a kill", seconds=90)
def killed_retry(case: Case) -> None:
    """After an ADD that was killed and without any DEL, another container's ADD and DEL work.

    A lock that a dead process holds must not hold others up. DEL of the killed one, later, leaves nothing.
    """
    takes = settle(case)
    attachments = [case.attachment() for _ in range(4)]
    other = case.attachment()
    before = watch(case, other, *attachments)
    instants = Instants(takes)
    for attachment, instant in zip(attachments, instants, strict=False):
        instants.note(kill_after(case.call("ADD", attachment), instant))
        again(case, other)
    for attachment in attachments:
        expect_success(case.ask("DEL", attachment), "DEL of a container whose ADD was killed some time ago")
        renew(case, attachment)
    before.expect_same("ADDs that were killed, others' ADDs and DELs, and their own DELs")


class Instants:
    """When to kill, in seconds after the beginning: all over the time that a call takes, as it turns out."""

    def __init__(self, both_take: float) -> None:
        """Begin with half of what ADD and DEL took together."""
        self._call_takes = both_take / 2
        self._count = rounds_within(BUDGET, both_take, most=MOST, least=LEAST)

    def __iter__(self) -> Iterator[float]:
        """Give each part of the time once, in an order that does not favour any."""
        random = Random(1)  # the same in each run, as far as a clock allows
        parts = [(number + random.random()) / self._count for number in range(self._count)]
        random.shuffle(parts)
        for part in parts:
            yield part * self._call_takes

    def note(self, took: float | None) -> None:
        """Take into account how long a call took that ended before it could be killed."""
        self._call_takes = took or self._call_takes * 1.05


CLAUSES = (killed_add, killed_del, killed_retry)
