"""Names of users -> ids, by the image's own /etc/passwd and /etc/group."""

from __future__ import annotations

from dataclasses import dataclass

from pod_runner.images.image import Image


@dataclass(frozen=True)
class Ids:
    """Whom a process runs as. `groups` are the others that the user is in; `home` is for HOME."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def find_ids(image: Image, user: str) -> Ids:
    """Return the ids of "name", "name:group", "33" or "33:33"; "" is root.

    Raises:
        ContainerError: the image knows no such user or group.
    """
    raise NotImplementedError
