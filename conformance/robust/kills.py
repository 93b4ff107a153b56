"""SIGKILL in the middle of ADD and DEL: what a lack of memory, or an impatient runtime, does to a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from conformance.case import Case
from conformance.clause import Level, clause
from conformance.robust.killing import kill_after
from conformance.robust.leavings import again, rounds_within, settle, watch
from conformance.robust.sanity import expect_success

BUDGET = 4  # seconds that the rounds of one clause may take
MOST, LEAST = 24, 6  # rounds


@clause("robust-killed-add", Level.ROBUST, "beyond", "recovers from an ADD that was killed", seconds=90)
def killed_add(case: Case) -> None:
    """ADD killed by SIGKILL at any instant, with all that it has started, is undone by DEL; ADD works again.

    The instants are spread over the time that an ADD takes. Afterwards nothing is left, in the kernel, in
    files, or at the delegate.
    """
    takes = settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for instant in _instants(takes):
        ended = kill_after(case.call("ADD", attachment), instant)
        when = f"an ADD that was killed after {instant * 1000:.0f} ms" + " (it had ended)" * ended
        expect_success(case.ask("DEL", attachment), f"DEL after {when}")
    again(case, attachment)
    before.expect_same("ADDs that were killed, each followed by DEL")


@clause("robust-killed-del", Level.ROBUST, "beyond", "recovers from a DEL that was killed", seconds=90)
def killed_del(case: Case) -> None:
    """DEL killed by SIGKILL at any instant, with all that it has started, is completed by the next DEL."""
    takes = settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for instant in _instants(takes):
        added = case.add(attachment)
        kill_after(case.call("DEL", added), instant)
        when = f"a DEL that was killed after {instant * 1000:.0f} ms"
        expect_success(case.ask("DEL", added), f"DEL after {when}")
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
    for attachment, instant in zip(attachments, _instants(takes), strict=False):
        kill_after(case.call("ADD", attachment), instant)
        again(case, other)
    for attachment in attachments:
        expect_success(case.ask("DEL", attachment), "DEL of a container whose ADD was killed some time ago")
    before.expect_same("ADDs that were killed, others' ADDs and DELs, and their own DELs")


def _instants(both_take: float) -> Iterator[float]:
    """Return when to kill, in seconds after the beginning, in an order that does not favour any."""
    count = rounds_within(BUDGET, both_take, most=MOST, least=LEAST)
    random = Random(1)  # the same instants in each run, as far as a clock allows
    instants = [(number + random.random()) / count * both_take / 2 for number in range(count)]
    random.shuffle(instants)
    return iter(instants)


CLAUSES = (killed_add, killed_del, killed_retry)
