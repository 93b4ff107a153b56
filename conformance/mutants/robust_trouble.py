"""Mutants of the clauses about kills, disks and crowds, in robust/kills.py, disks.py, crowds.py.

What they remember they keep in /run/netns, which is no state of a plugin's and so is not compared.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from conformance.clause import EVERY_KIND
from conformance.mutants.mutant import Asked, Given, Good, Mutant

STATE, NOTES = Path("/var/lib/cni"), Path("/run/netns")
MANY = 20  # containers, with which it is said to be too much
ROUNDS = 2  # containers whose namespace went before DEL, after which something is left


def leaves_its_draft(asked: Asked, good: Good) -> Given:
    """Keep a draft while an ADD lasts; who is killed leaves it, and DEL does not look for it."""
    if asked.verb != "ADD":
        return good(asked)
    draft = STATE / f"draft-{_name(asked)}-{os.getpid()}"
    with suppress(OSError):  # full disks are another mutant's affair
        STATE.mkdir(parents=True, exist_ok=True)
        draft.touch()
    try:
        return good(asked)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def forgets_an_unfinished_del(asked: Asked, good: Good) -> Given:
    """Note that a DEL has begun, and believe another time that it was completed."""
    begun = NOTES / f".begun-{_name(asked)}"
    if asked.verb == "ADD" and begun.exists():
        begun.unlink()
    if asked.verb != "DEL":
        return good(asked)
    if begun.exists():
        return Given()
    with suppress(OSError):  # full disks are another mutant's affair
        begun.touch()
    given = good(asked)
    with suppress(OSError):
        begun.unlink(missing_ok=True)
    return given


def keeps_a_dead_ones_lock(asked: Asked, good: Good) -> Given:
    """Lock by a file that names who holds it, and refuse others when that one has died."""
    lock = NOTES / ".lock"
    if asked.verb == "DEL" and lock.exists() and _owner(lock)[1:] == [_name(asked)]:
        lock.unlink(missing_ok=True)
    if asked.verb != "ADD":
        return good(asked)
    mine = NOTES / f".lock-{os.getpid()}"
    try:
        mine.write_text(f"{os.getpid()} {_name(asked)}")
    except OSError:  # full disks are another mutant's affair
        with suppress(OSError):
            mine.unlink(missing_ok=True)
        return good(asked)
    while not _taken(mine, lock):
        owner = _owner(lock)
        is_dead = owner and owner[1] != _name(asked) and not Path("/proc", owner[0], "fd").exists()
        if is_dead and _owner(lock) == owner:  # else it gave the lock back and ended
            mine.unlink()
            return _refusal(asked, "somebody else holds the lock")
        if owner and owner[1] == _name(asked):
            lock.unlink(missing_ok=True)
    try:
        return good(asked)
    finally:
        lock.unlink(missing_ok=True)
        mine.unlink(missing_ok=True)


def half_made(number: int) -> Callable[[Asked, Good], Given]:
    """Make an interface, then fail for a file that cannot be written for this reason; the interface stays."""

    def act(asked: Asked, good: Good) -> Given:
        if asked.verb != "ADD":
            return good(asked)
        draft = STATE / f"draft-{_name(asked)}"
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(bytes(4096))
        except OSError as error:
            if error.errno == number:
                subprocess.run(["ip", "link", "add", "half0", "type", "veth", "peer", "half1"], check=False)
                return _refusal(asked, f"{draft}: {error.strerror}")
        finally:
            with suppress(OSError):  # on a disk that may not be written nothing was
                draft.unlink(missing_ok=True)
        return good(asked)

    return act


def refuses_a_crowd(asked: Asked, good: Good) -> Given:
    """Refuse an ADD where there are many containers."""
    there = len([one for one in NOTES.iterdir() if one.name.startswith("pod")])
    return _refusal(asked, "there are too many") if asked.verb == "ADD" and there > MANY else good(asked)


def leaves_a_little(asked: Asked, good: Good) -> Given:
    """Leave a file at each DEL of a container whose namespace has gone, from the third on."""
    netns, counter = asked.environment.get("CNI_NETNS", ""), NOTES / ".gone"
    if asked.verb == "DEL" and netns and not os.path.exists(netns):  # noqa: PTH110  it may be too long
        count = int(counter.read_text()) + 1 if counter.exists() else 1
        counter.write_text(str(count))
        if count > ROUNDS:
            STATE.mkdir(parents=True, exist_ok=True)
            (STATE / f"left-{count}").write_text("x")
    return good(asked)


def _name(asked: Asked) -> str:
    container = asked.environment.get("CNI_CONTAINERID", "").encode(errors="surrogateescape")
    return sha256(container).hexdigest()[:16]


def _owner(lock: Path) -> list[str]:
    try:
        return lock.read_text().split()
    except FileNotFoundError:  # it was given back in between
        return []


def _taken(mine: Path, lock: Path) -> bool:
    try:
        lock.hardlink_to(mine)
    except FileExistsError:
        return False
    return True


def _refusal(asked: Asked, sentence: str) -> Given:
    return Given(
        1, json.dumps({"cniVersion": asked.config.get("cniVersion", ""), "code": 11, "msg": sentence})
    )


MUTANTS = (
    Mutant(
        "robust-killed-add",
        "draft",
        "an ADD that is killed leaves a draft",
        EVERY_KIND,
        leaves_its_draft,
        also=frozenset({"robust-killed-retry"}),  # which kills ADDs as well
    ),
    Mutant(
        "robust-killed-del",
        "begun",
        "a DEL that was killed is not completed",
        EVERY_KIND,
        forgets_an_unfinished_del,
    ),
    Mutant(
        "robust-killed-retry", "lock", "a dead process keeps its lock", EVERY_KIND, keeps_a_dead_ones_lock
    ),
    Mutant(
        "robust-full-disk", "half", "on a full disk ADD fails half made", EVERY_KIND, half_made(errno.ENOSPC)
    ),
    Mutant(
        "robust-read-only",
        "half",
        "on a read-only disk ADD fails half made",
        EVERY_KIND,
        half_made(errno.EROFS),
    ),
    Mutant("robust-storm", "refuses", "it refuses where there are many", EVERY_KIND, refuses_a_crowd),
    Mutant(
        "robust-leaks",
        "little",
        "it leaves something after some rounds",
        EVERY_KIND,
        leaves_a_little,
        also=frozenset({"robust-netns"}),  # which has rounds of DELs without a namespace
    ),
)
