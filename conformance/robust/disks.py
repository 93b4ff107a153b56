"""State folders that are full, or that may not be written: small file systems over them, for one case."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.case import Attachment, Case, said
from conformance.clause import Level, clause, expect
from conformance.robust.leavings import again, renew, settle, undo, watch
from conformance.robust.sanity import expect_sane
from conformance.world.namespaces import PRIVATE_FOLDERS

FILLER = "filler"
ROOM = 64 << 10  # bytes beyond what is used that a file system is given, before it is filled


@clause("robust-full-disk", Level.ROBUST, "beyond", "survives a full disk", seconds=60)
def full_disk(case: Case) -> None:
    """Where the state folders are full, ADD works or fails by an error object with nothing half made.

    DEL of what was attached before succeeds: on a full disk, deleting is what makes room. With room again
    all works as before.
    """
    _mount_state(case)
    settle(case)
    early, late = case.attachment(), case.attachment()
    before = watch(case, early, late)
    early = case.add(early)
    meanwhile = watch(case, early, late)
    with _full(case):
        _add_and_undo(case, late, "on a full disk")
    renew(case, late)
    meanwhile.expect_same("an ADD on a full disk, and its DEL")
    with _full(case):
        answer = case.ask("DEL", early)
        expect_sane(answer, "DEL on a full disk")
        expect(answer.succeeded, f"DEL on a full disk failed: {said(answer)}")
    renew(case, early)
    again(case, late)
    before.expect_same("calls on a full disk")


@clause("robust-read-only", Level.ROBUST, "beyond", "survives a disk that may not be written", seconds=60)
def read_only(case: Case) -> None:
    """Where the state folders are read-only, ADD works or fails by an error object with nothing half made.

    DEL may fail there, by an error object; when the folders can be written again it succeeds.
    """
    _mount_state(case)
    settle(case)
    early, late = case.attachment(), case.attachment()
    before = watch(case, early, late)
    early = case.add(early)
    meanwhile = watch(case, early, late)
    with _read_only(case):
        answer = case.ask("ADD", late)
        expect_sane(answer, "ADD on a read-only disk")
        if answer.succeeded:
            expect_sane(case.ask("DEL", late), "DEL on a read-only disk")
    if answer.succeeded:
        undo(case, late)
    meanwhile.expect_same("an ADD on a read-only disk")
    with _read_only(case):
        expect_sane(case.ask("DEL", early), "DEL on a read-only disk")
    undo(case, early)
    again(case, late)
    before.expect_same("calls on a read-only disk")


def _add_and_undo(case: Case, attachment: Attachment, where: str) -> None:
    answer = case.ask("ADD", attachment)
    expect_sane(answer, f"ADD {where}")
    if answer.succeeded:
        undone = case.ask("DEL", attachment)
        expect_sane(undone, f"DEL {where}")
        expect(undone.succeeded, f"DEL {where} failed, of an ADD that had worked there: {said(undone)}")


def _folders(case: Case) -> tuple[str, ...]:
    return (*PRIVATE_FOLDERS, *case.profile.private, str(case.folder / "state"))


def _mount_state(case: Case) -> None:
    """Put a file system on the plugin's state folder, as the other folders have, with what is in it."""
    state, kept = case.folder / "state", case.folder / "kept"
    shutil.copytree(state, kept)
    case.do("mount", "-t", "tmpfs", "tmpfs", str(state))
    shutil.copytree(kept, state, dirs_exist_ok=True)


@contextmanager
def _full(case: Case) -> Iterator[None]:
    """Let the folders have no free byte for the body."""
    fillers = []
    for folder in _folders(case):
        used = int(case.do("df", "--block-size=1", "--output=used", folder).split()[-1])
        case.do("mount", "-o", f"remount,size={(used + ROOM) // 1024}k", folder)
        filler = Path(folder, FILLER)
        fillers.append(filler)
        _fill(filler)
    case.note(f"fill {' '.join(_folders(case))}", "no space left on device")
    try:
        yield
    finally:
        for filler in fillers:
            filler.unlink()
        for folder in _folders(case):
            case.do("mount", "-o", "remount,size=64m", folder)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


@contextmanager
def _read_only(case: Case) -> Iterator[None]:
    """Let nobody write to the folders for the body: a second mount hides each; open files do no harm."""
    for folder in _folders(case):
        case.do("mount", "--rbind", "--make-rprivate", folder, folder)
        case.do("mount", "-o", "remount,bind,ro", folder)
    try:
        yield
    finally:
        for folder in reversed(_folders(case)):
            case.do("umount", "-l", folder)


CLAUSES = (full_disk, read_only)
