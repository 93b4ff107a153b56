"""Everything that a plugin could leave behind: links, addresses, routes, rules, files, leases; before and after."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from conformance.case import Attachment, Case
from conformance.clause import expect
from conformance.world.dumps import Dump, difference, dump, files, sysctls
from conformance.world.namespaces import PRIVATE_FOLDERS, Netns

PATIENCE = 5  # seconds that the kernel, or a daemon, has to finish what was asked
PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Watch:
    """What there was at one time, here and in some containers."""

    case: Case
    containers: tuple[Netns, ...]
    before: Dump

    def expect_same(self, after: str) -> None:
        """Fail unless all is as it was; `after` names what has been done, and ends the sentence's first half."""
        deadline = time.monotonic() + PATIENCE
        while (found := difference(self.before, seen(self.case, self.containers))) and (
            time.monotonic() < deadline
        ):
            time.sleep(PAUSE)  # a daemon may be at it still; there is nothing to wait on from outside
        self.case.note(f"compare all that there is with what was before, after {after}", found or "the same")
        shown = "; ".join(line[:300] for line in found[:3])
        expect(not found, f"after {after} it is not as before ({len(found)} lines differ): {shown}")


def watch(case: Case, *attachments: Attachment) -> Watch:
    """Remember what there is, also in the containers of some attachments."""
    containers = tuple(dict.fromkeys(one.netns for one in attachments))
    return Watch(case, containers, seen(case, containers))


def seen(case: Case, containers: tuple[Netns, ...]) -> Dump:
    """Return everything of the host, of the containers, of the state folders, and what the delegate holds."""
    folders = (*PRIVATE_FOLDERS, *case.profile.private, str(case.folder / "state"))
    found = dump() | sysctls() | files(folders, case.profile.keeps)
    for one in containers:
        found |= frozenset(f"{one.name}: {line}" for line in dump(one.path))
    return found | {f"addresses that the delegate holds: {case.delegate.held()}"}


def settle(case: Case) -> float:
    """ADD and DEL a first container, so that what all share is there; return what the two took, in seconds."""
    begun = time.monotonic()
    first = case.add(case.attachment(container="the-first"))
    case.delete(first)
    return time.monotonic() - begun


def rounds_within(seconds: float, one_takes: float, *, most: int, least: int) -> int:
    """Return how often something can be done in the time; a slow plugin is judged by fewer rounds."""
    return max(least, min(most, int(seconds / max(one_takes, 0.001))))


def again(case: Case, attachment: Attachment) -> None:
    """ADD and DEL an attachment, which must work."""
    case.delete(case.add(replace(attachment, result=None)))
