"""Folders of pods: orders, written whole before a supervisor is on them, and what supervisors left."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pod_runner.cluster.bodies import JsonObject
from pod_runner.supervisor.order import ORDER, STATUS, PodOrder, read_order

MAKING = 60.0  # seconds in which whoever makes a folder has written its order, or was killed
DRAFT = ".order"  # beside it, until it is whole


def write_order(order: PodOrder) -> None:
    """Write an order into the pod's folder, made if it is missing. Raises OSError."""
    folder = order.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / DRAFT
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(order.to_json())
    draft.rename(folder / ORDER)


def read_folder(folder: Path) -> PodOrder | None:
    """Return the order of a folder; None if there is none that anybody could follow."""
    try:
        order = read_order((folder / ORDER).read_text())
        return order if order.uid == folder.name else None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AssertionError,
        RecursionError,
    ):  # torn, or somebody's own
        return None


def read_status(folder: Path) -> JsonObject:
    """Return what a supervisor has last written of a pod; {} if nothing can be read."""
    try:
        body = json.loads((folder / STATUS).read_text())
    except (OSError, ValueError, RecursionError):  # none yet, or torn by a full disk
        return {}
    return body if isinstance(body, dict) else {}


def folders(pods: Path) -> Iterator[Path]:
    """Return the folders of pods, by name; files beside them are nobody's."""
    try:
        yield from sorted(path for path in pods.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:  # no pod was ever here, or the machine has been started anew
        return


def is_abandoned(folder: Path) -> bool:
    """Tell whether nobody is about to write the order that a folder lacks: nothing there has changed."""
    try:
        return time.time() - folder.stat().st_mtime > MAKING
    except FileNotFoundError:  # it has gone
        return False
