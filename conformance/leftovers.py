"""What a world holds before and after a plugin's calls: nothing of an attachment may stay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from conformance.case import Attachment, Case
from conformance.clause import Failed
from conformance.world.dumps import Dump, difference, dump, files, sysctls
from conformance.world.looking import links
from conformance.world.namespaces import PRIVATE_FOLDERS, Netns
from conformance.world.waiting import holds_within

SETTLES_WITHIN = 3  # seconds; what a call began may end a little after it
NETNS_ENDS_WITHIN = 15  # seconds; the kernel takes a namespace apart when it has time
LOCKS = ("lock", "*.lock")  # names of files
PAUSE = 0.05  # seconds between two looks


def see(case: Case, *containers: Netns) -> Dump:
    """Return all that there is: the host's network, settings and state files, and containers' networks.

    Files that the profile says may stay are left out, and locks: nothing depends on them.
    """
    folders = (*PRIVATE_FOLDERS, *case.profile.private, str(case.folder / "state"))
    held = {f"address held for {path.name}" for path in (case.delegate.folder / "held").iterdir()}
    inside = {f"{one.name}: {line}" for one in containers for line in dump(one.path)}
    return dump() | files(folders, (*case.profile.keeps, *LOCKS)) | sysctls() | held | inside


def begin(case: Case) -> None:
    """Let another container come and go, so that what a plugin makes once for all containers is there."""
    first = case.add(case.attachment(container="the-first"))
    case.delete(first)
    lose_netns(case, first)


def expect_same(case: Case, before: Dump, sentence: str, *containers: Netns) -> None:
    """Fail with the sentence and what differs, unless all is soon as it was."""
    deadline = time.monotonic() + SETTLES_WITHIN
    while changes := difference(before, see(case, *containers)):
        if time.monotonic() > deadline:
            case.note("what has come (+) and gone (-)", "\n".join(changes))
            raise Failed(f"{sentence}: {summary(changes)}")
        time.sleep(PAUSE)  # between looks: files, links and rules have no common way to tell of changes
    case.note("what has come and gone", "nothing")


def lose_netns(case: Case, *attachments: Attachment) -> None:
    """Remove the containers' namespaces, and wait until the kernel has ended the pairs into them."""
    here = links()
    names = {name for one in attachments for name in host_interfaces(one)}
    peers = {name for name in names if here.get(name, {}).get("link_netnsid") is not None}
    for one in attachments:
        one.netns.remove()
        case.note(f"ip netns del {one.netns.name}", "")
    holds_within(NETNS_ENDS_WITHIN, lambda: not peers & set(links()), pause=PAUSE)


def host_interfaces(attachment: Attachment) -> Sequence[str]:
    """Return the names of the interfaces on the host that the attachment's result lists."""
    listed = (attachment.result or {}).get("interfaces") or []
    return [one["name"] for one in listed if not one.get("sandbox")]


def wipe_state(case: Case) -> None:
    """Remove the plugin's own files, as a lost disk does; the folders stay."""
    private = [Path(folder) for folder in case.profile.private]
    for folder in (case.folder / "state", Path("/var/lib/cni"), Path("/run/cni"), *private):
        if folder.exists():
            case.do("find", str(folder), "-mindepth", "1", "-delete")


def summary(changes: Sequence[str]) -> str:
    """Return the first differences as the end of a sentence."""
    shown = "; ".join(change if len(change) < 240 else f"{change[:240]}..." for change in changes[:3])
    return shown + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
