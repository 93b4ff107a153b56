"""Step: what a person would type for one thing that is done, and why; and who a process is, as one command.

What no command can do is a step all the same, as a comment. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from pod_runner.kernel.capabilities import NAMES, last

FEWEST = 3  # lines that are told as a loop
_NAME = re.compile(r"[\w.-]+")

WHY = {
    "cgroup": "Be in the pod's cgroups before anything else: whatever is started from here on is in them.",
    "oom": "How readily the kernel ends it when memory runs out (kubelet's figures).",
    "unshare": "Leave what it shares with the node for namespaces of its own.",
    "nsenter": "Enter the pod's namespaces, which the pause process holds: what its containers share.",
    "ids": "The node says which of its ids are this user namespace's, since nobody may say that of itself.",
    "hostname": "The pod's name, in a uts namespace of its own.",
    "private": "What is mounted from here on is seen by nobody else.",
    "lo": "A new network namespace has a loopback device that is down.",
    "sysctl": "Ports below 1024 and ping take no capability here: they are the pod's own.",
    "shm": "Memory that the pod's containers share.",
    "root": "The root file system: layers that are only read, and above them a folder for what is written.",
    "proc": "Its own process numbers.",
    "sys": "The devices of the pod's network namespace, to be read.",
    "dev": "Devices that harm nobody, and terminals of its own.",
    "cgroupfs": "Its own cgroups, to be read: programs look there how much memory they may have.",
    "mask": "What tells of the machine is covered, what would change it is read-only (runc's list).",
    "volume": "Volumes, and the files of /etc that the node writes for the pod.",
    "pivot": "This is the root now, and what was is let go of: no path leads back.",
    "empty": "The new root is an empty folder, where no program is; the starter needs none.",
    "modes": "What is made here has the mode that is said.",
    "umask": "What the program makes may be read by others, as it expects.",
    "who": "Who it is, last: ids, what capabilities it can ever have, no more of them by set-uid.",
    "pause": "The process that holds all this sleeps, and may do nothing.",
    "keys": "Keys of whoever started it are not inherited.",
}


@dataclass(frozen=True)
class Step:
    """A line for a shell; a comment where it begins with "# "."""

    command: str
    why: str

    @property
    def is_remark(self) -> bool:
        """Tell whether a shell does nothing about it."""
        return self.command.startswith("# ")


def remark(said: str, why: str) -> Step:
    """Return what no command can do."""
    return Step(f"# {said}", why)


def together(steps: Iterable[Step]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give each reason with the lines that follow each other and have it; lines that are alike as a loop."""
    for why, group in groupby((step for step, _ in groupby(steps)), key=lambda step: step.why):
        yield why, tuple(fold([step.command for step in group]))


def fold(lines: list[str]) -> Iterator[str]:
    """Give lines, or pairs of lines, that differ by one name alone as a loop over the names."""
    at = 0
    while at < len(lines):
        names, size = max((_names(lines[at:], size) for size in (1, 2)), key=lambda one: len(one[0]) * one[1])
        if len(names) < FEWEST:
            yield lines[at]
            at += 1
            continue
        body = "; ".join(_with(line, names[0], "$one") for line in lines[at : at + size])
        yield f"for one in {' '.join(names)}; do {body}; done"
        at += size * len(names)


def _names(lines: list[str], size: int) -> tuple[list[str], int]:
    """Return by what names the blocks of so many lines differ from the first one, as far as they do."""
    block = lines[:size]
    if len(lines) < 2 * size or "'" in "".join(block) or block[0].startswith("# "):
        return [], size
    pairs = list(zip(_NAME.findall(block[0]), _NAME.findall(lines[size]), strict=False))
    first = next((mine for mine, other in pairs if mine != other), "")
    where = _NAME.findall(block[0]).index(first) if first else 0
    names = [first]
    for start in range(size, len(lines) - size + 1, size):
        words = _NAME.findall(lines[start])
        name = words[where] if where < len(words) else ""
        if not name or [_with(line, first, name) for line in block] != lines[start : start + size]:
            break
        names.append(name)
    return (names if first else []), size


def _with(line: str, name: str, other: str) -> str:
    """Return a line with another name in place of one."""
    return _NAME.sub(lambda found: other if found[0] == name else found[0], line)


@dataclass
class Becoming:
    """Who a process becomes before it executes its program: what one setpriv(1) says at the end."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None
    dropped: set[int] = field(default_factory=set)  # numbers of capabilities
    has_no_new_privileges: bool = False

    def words(self) -> list[str]:
        """Return the command, to which the program is added."""
        kept = [
            f"+{NAMES[number].lower()}" for number in range(min(last() + 1, len(NAMES)))
            if number not in self.dropped
        ]  # fmt: skip
        words = ["setpriv", f"--bounding-set={','.join(['-all', *kept])}", "--inh-caps=-all"]
        if self.has_no_new_privileges:
            words.append("--no-new-privs")
        if self.groups is not None:
            listed = ",".join(map(str, self.groups))
            words += ["--groups", listed] if listed else ["--clear-groups"]
        if self.gid is not None:
            words += ["--regid", str(self.gid)]
        if self.uid is not None:
            words += ["--reuid", str(self.uid)]
        return words


def echo(text: str, path: str) -> str:
    """Return the command that writes a line into a file of the kernel's."""
    return f"echo {shlex.quote(text)} > {quoted(path)}"


def quoted(path: str) -> str:
    """Quote a path; $ROOT and $PAUSE in front stay what they are."""
    head, slash, rest = path.partition("/")
    if head.startswith("$"):
        return head + (shlex.quote(slash + rest) if rest else "")
    return shlex.quote(path)
