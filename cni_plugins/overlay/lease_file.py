"""The node's lease, as subnet.env has it, and the wait for it: pods start before the overlay does.

The file is gone after a reboot (/run), its folder too; and a flanneld before 0.28.8 writes it piece by piece.
What is missing or broken may thus be whole a moment later.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cni_spec.errors import INVALID_CONFIG, TRY_AGAIN_LATER, CniError
from overlay.subnet_env import SubnetEnv, parse_subnet_env

SIZE_LIMIT = 65536  # bytes; a lease with a hundred blocks has 3 KiB
LOOK_AGAIN = 0.5  # seconds; a file system mounted over the folder is told of by no event


def read_lease(path: Path) -> SubnetEnv:
    """Read the file once.

    Raises:
        CniError: code 11 if it is not there, 7 naming the line if it is broken.
    """
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT).decode()
        return parse_subnet_env(text)
    except (FileNotFoundError, NotADirectoryError):
        raise CniError(
            TRY_AGAIN_LATER,
            f"this node has no lease yet: there is no {path}. The node agent with [overlay], or flanneld, "
            "writes it: see its log",
        ) from None
    except ValueError as error:
        raise CniError(INVALID_CONFIG, f"{path}: {error}") from error


def wait_lease(path: Path, timeout: float) -> SubnetEnv:
    """Read the file as soon as it can be read, within `timeout` seconds.

    Raises:
        CniError: as `read_lease` does, after that time.
    """
    deadline = time.monotonic() + timeout
    with suppress(CniError):
        return read_lease(path)
    while (left := deadline - time.monotonic()) > 0:
        with _watched(
            _nearest_folder(path)
        ) as events:  # the watch first, then the look: nothing falls between
            with suppress(CniError):
                return read_lease(path)
            select.select(events, [], [], min(left, LOOK_AGAIN))
    return read_lease(path)


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.is_dir())


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    """Watch a folder; yield the descriptors that can be read when something is made or changed in it."""
    from cluster_store.file_changes import IN_CREATE, WATCHED, FileChanges  # only who waits needs it

    try:
        changes = FileChanges(folder, WATCHED | IN_CREATE)
    except OSError:  # gone meanwhile, or this user has no watches left: LOOK_AGAIN has to do
        yield []
        return
    try:
        yield [changes.fd]
    finally:
        changes.close()
