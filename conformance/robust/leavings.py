"""What a plugin leaves behind after calls that went wrong: nothing more than was there before them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.case import Attachment, Case
from conformance.clause import Kind
from conformance.leftovers import expect_same, see
from conformance.world.dumps import Dump
from conformance.world.given import give_interface
from conformance.world.looking import links, run, succeeds
from conformance.world.namespaces import Netns


@dataclass(frozen=True)
class Watch:
    """What there was at one time, here and in some containers."""

    case: Case
    containers: tuple[Netns, ...]
    before: Dump

    def expect_same(self, after: str) -> None:
        """Fail unless all is as it was; `after` names what has been done since."""
        expect_same(self.case, self.before, f"after {after} it is not as before", *self.containers)


def watch(case: Case, *attachments: Attachment) -> Watch:
    """Remember what there is, also in the containers of some attachments."""
    containers = tuple(dict.fromkeys(one.netns for one in attachments))
    for one in containers:
        if (
            "UP" not in links(one.path)["lo"]["flags"]
        ):  # going up it gets an address, which stays from then on
            run("ip", "link", "set", "lo", "up", netns=one.path)
            run("ip", "link", "set", "lo", "down", netns=one.path)
    return Watch(case, containers, see(case, *containers))


def settle(case: Case) -> float:
    """ADD and DEL a first container, so that what all share is there; return the seconds that this took."""
    first = case.attachment(container="the-first")
    begun = time.monotonic()
    again(case, first)
    return time.monotonic() - begun


def undo(case: Case, attachment: Attachment) -> None:
    """DEL, which must work, and what a runtime does then."""
    case.delete(attachment)
    renew(case, attachment)


def renew(case: Case, attachment: Attachment) -> None:
    """Give a chained plugin's container its interface anew.

    DEL of the whole list removes the interface, and with it all that chained plugins left on it; what they
    left there is the affair of the clauses about DEL.
    """
    if case.kind is Kind.CHAINED and Path(attachment.netns.path).exists():
        succeeds("ip", "link", "del", f"given{attachment.number}")
        give_interface(attachment.netns, attachment.ifname, attachment.number, case.version)


def again(case: Case, attachment: Attachment) -> None:
    """ADD and DEL an attachment, which must work."""
    undo(case, case.add(replace(attachment, result=None)))


def rounds_within(seconds: float, one_takes: float, *, most: int, least: int) -> int:
    """Return how often something can be done in the time; a slow plugin is judged by fewer rounds."""
    return max(least, min(most, int(seconds / max(one_takes, 0.001))))
