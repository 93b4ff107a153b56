"""Where labs have their folders: root's below /run/podwire, an ordinary user's where only that user writes.

A user's are in $XDG_RUNTIME_DIR or /run/user/UID, which the system made for that user, else in /tmp, where a
folder of our name may be somebody else's: it is used only if it is ours and nobody else may write there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from podwire.lab.errors import LabError

ROOTS_OWN = Path("/run/podwire/lab")
NETNS_NAMES = Path("/run/netns")  # where ip-netns(8) looks
OUTER_USER = "PODWIRE_LAB_USER"  # in the environment of who stepped into a user namespace: who it was before


def who_asks() -> int:
    """Return the user who runs labs, as the machine knows it; 0 is root."""
    said = os.environ.get(OUTER_USER, "")
    return int(said) if said.isdecimal() else os.geteuid()


def is_rootless() -> bool:
    """Tell whether labs are an ordinary user's."""
    return who_asks() != 0


def labs_folder() -> Path:
    """Return where this user's labs have their folders; it need not be there."""
    return _own_folder() / "lab" if is_rootless() else ROOTS_OWN


def netns_names() -> Path | None:
    """Return where namespaces get names for ip-netns(8); None: an ordinary user can give none."""
    return None if is_rootless() else NETNS_NAMES


def make_labs_folder() -> Path:
    """Make that folder. Raises LabError: what is there is somebody else's, or open to others."""
    folder = labs_folder()
    if is_rootless():
        with suppress(FileExistsError):  # it is looked at below
            folder.parent.mkdir(mode=0o700, parents=True)
        _require_own(folder.parent)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def leave_labs_folder() -> None:
    """Remove that folder if nothing is left in it; root's parent is others' as well."""
    with suppress(OSError):  # there are other labs
        labs_folder().rmdir()
        if is_rootless():
            labs_folder().parent.rmdir()


def _own_folder() -> Path:
    for place in _made_by_the_system():
        if place.is_absolute() and _trouble(place) == "":
            return place / "podwire"
    return Path(f"/tmp/podwire-{who_asks()}")


def _made_by_the_system() -> Iterator[Path]:
    if named := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(named)
    yield Path(f"/run/user/{who_asks()}")


def _require_own(folder: Path) -> None:
    if trouble := _trouble(folder):
        raise LabError(f"{folder} {trouble}: remove it, or set XDG_RUNTIME_DIR to a folder of your own")


def _trouble(folder: Path) -> str:
    """Return why a folder is not ours alone, "" if it is."""
    try:
        seen = folder.lstat()
    except OSError as error:
        return f"cannot be used ({error.strerror})"
    if not stat.S_ISDIR(seen.st_mode):
        return "is no folder"
    if seen.st_uid != os.geteuid():
        return "is somebody else's"
    return "can be written by others" if seen.st_mode & 0o022 else ""
