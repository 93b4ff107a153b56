"""Hostile container ids, interface names, namespaces and CNI_ARGS."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from conformance.case import Attachment, Case
from conformance.clause import Kind, Level, clause
from conformance.robust.leavings import renew, settle, undo, watch
from conformance.robust.sanity import expect_refusal, expect_sane, expect_success

NOT_TEXT = os.fsdecode(b"pod-\xff\xfe")
IDS = (
    "", "../../../tmp/x", "a/b", "a\nb", " ", "a b", "-rf", ".hidden", "$(touch /run/x)", "a;b", "a'\"b", "ä",
    NOT_TEXT, "x" * 4096,
)  # fmt: skip
NAMES = (
    "",
    ".",
    "..",
    "a/b",
    "a b",
    "eth0\n",
    "x" * 16,
    "x" * 4096,
    "../eth0",
    "-h",
    "$(touch /run/x)",
    NOT_TEXT,
)
ARGS = (
    "=",
    ";;;",
    "IP",
    "a=b=c",
    "IgnoreUnknown=maybe",
    "\n",
    "x=" + "y" * 4096,
    "IP=../x",
    "MAC=zz",
    NOT_TEXT,
)


@clause("robust-ids", Level.ROBUST, "beyond", "survives hostile container ids", seconds=60)
def ids(case: Case) -> None:
    """ADD with a container id that no runtime gives (paths, line ends, nothing, 4 kB) is refused, or works.

    Where it succeeds, DEL with the same id undoes it. No file is made outside the plugin's own folders.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for one in IDS:
        _try(case, attachment, "CNI_CONTAINERID", one)
    before.expect_same("ADD and DEL with these ids")


@clause("robust-ifnames", Level.ROBUST, "beyond", "survives hostile interface names", seconds=60)
def ifnames(case: Case) -> None:
    """ADD with a CNI_IFNAME that the kernel does not take (empty, paths, too long) is refused, or ignored.

    Where it succeeds, DEL with the same name undoes it.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for one in NAMES:
        _try(case, attachment, "CNI_IFNAME", one)
    before.expect_same("ADD and DEL with these names")


@clause("robust-args", Level.ROBUST, "beyond", "survives hostile CNI_ARGS", seconds=60)
def args(case: Case) -> None:
    """CNI_ARGS that are no list of key=value are refused by an error object, or ignored."""
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for one in ARGS:
        _try(case, attachment, "CNI_ARGS", one)
    before.expect_same("ADD and DEL with these CNI_ARGS")


@clause("robust-netns", Level.ROBUST, "beyond", "refuses a CNI_NETNS that is none", seconds=60)
def netns(case: Case) -> None:
    """ADD whose CNI_NETNS is no network namespace is refused, and nothing is made.

    Tried are a path that leads nowhere, a relative one, a file, a folder, a device, a pipe nobody writes to,
    a namespace of another kind. Plugins that make no interface may have no use for it: they may succeed. DEL
    may say what it wants of these, but changes nothing else and does not hang.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    for one in _no_namespaces(case):
        asked = f"CNI_NETNS={one[:60]!r}"
        answer = case.ask("ADD", attachment, env={"CNI_NETNS": one})
        (expect_refusal if case.kind is Kind.INTERFACE else expect_sane)(answer, f"ADD with {asked}")
        expect_sane(case.ask("DEL", attachment, env={"CNI_NETNS": one}), f"DEL with {asked}")
    undo(case, attachment)
    before.expect_same("ADD and DEL with these paths")


@clause("robust-bare", Level.ROBUST, "beyond", "works without PATH")
def bare(case: Case) -> None:
    """ADD and DEL in an environment without PATH work, or fail by an error object and leave nothing.

    DEL works wherever ADD did.
    """
    settle(case)
    attachment = case.attachment()
    before = watch(case, attachment)
    answer = case.ask("ADD", attachment, env={"PATH": None})
    expect_sane(answer, "ADD without PATH")
    if answer.succeeded:
        expect_success(case.ask("DEL", attachment, env={"PATH": None}), "DEL without PATH")
    renew(case, attachment)
    before.expect_same("these calls")


def _no_namespaces(case: Case) -> Iterable[str]:
    pipe, file = case.folder / "pipe", case.folder / "file"
    os.mkfifo(pipe)
    file.write_text("x")
    return (
        "", "/run/netns/nowhere", "pod1", "../../run", str(file), str(case.folder), "/dev/null", str(pipe),
        str(Path("/proc/self/ns/mnt")), "/run/netns/a\nb", "/" + "x" * 4000,
    )  # fmt: skip


def _try(case: Case, attachment: Attachment, variable: str, value: str) -> None:
    """ADD with one hostile variable, and DEL with the same: it must undo what succeeded."""
    shown = value if len(value) < 40 else f"{value[:10]}... ({len(value)} characters)"
    env = {variable: value}
    answer = case.ask("ADD", attachment, env=env)
    expect_sane(answer, f"ADD with {variable}={shown!r}")
    undone = case.ask(
        "DEL", replace(attachment, result=answer.document() if answer.succeeded else None), env=env
    )
    if answer.succeeded:
        expect_success(undone, f"DEL with {variable}={shown!r}, whose ADD succeeded,")
    else:
        expect_sane(undone, f"DEL with {variable}={shown!r}")
    renew(case, attachment)


CLAUSES = (ids, ifnames, args, netns, bare)
