"""Names of users -> ids, by the image's own /etc/passwd and /etc/group (passwd(5), group(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pod_runner.container.spec import ContainerError
from pod_runner.images.image import Image
from pod_runner.images.layered_files import read_file

LARGEST = 1 << 20  # bytes of a file; what comes behind is not read
ID_MAX = (1 << 32) - 2  # the last is no id (chown(2))
REASON = "CreateContainerConfigError"


@dataclass(frozen=True)
class Ids:
    """Whom a process runs as. `groups` are the others that the user is in; `home` is for HOME."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


def find_ids(image: Image, user: str) -> Ids:
    """Return the ids of "name", "name:group", "33" or "33:33"; "" is root.

    An id need not be known; then its group is 0, as runc has it.

    Raises:
        ContainerError: the image knows no such user or group.
    """
    name, colon, group = (user or "0").partition(":")
    found = next((one for one in _users(image) if name in (one.name, str(one.uid))), None)
    if found is None:
        found = _User("", _number(name, "user", image), 0, "/")
    if colon and group:
        return Ids(found.uid, _group(image, group), (), found.home or "/")
    groups = tuple(gid for _, gid, members in _groups(image) if found.name in members and gid != found.gid)
    return Ids(found.uid, found.gid, groups, found.home or "/")


def _users(image: Image) -> Iterator[_User]:
    for name, fields in _lines(image, "etc/passwd", 7):
        if _is_id(fields[2]) and _is_id(fields[3]):
            yield _User(name, int(fields[2]), int(fields[3]), fields[5])


def _groups(image: Image) -> Iterator[tuple[str, int, list[str]]]:
    for name, fields in _lines(image, "etc/group", 4):
        if _is_id(fields[2]):
            yield name, int(fields[2]), [one for one in fields[3].split(",") if one]


def _group(image: Image, group: str) -> int:
    for name, gid, _ in _groups(image):
        if name == group:
            return gid
    return _number(group, "group", image)


def _lines(image: Image, path: str, count: int) -> Iterator[tuple[str, list[str]]]:
    """Give the name and the fields of each line that has as many as it should; others are not for us."""
    text = (read_file(image.layers, path, LARGEST) or b"").decode("utf-8", "replace")
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == count and fields[0]:
            yield fields[0], fields


def _number(text: str, what: str, image: Image) -> int:
    if not _is_id(text):
        raise ContainerError(f"{image.reference} has no {what} called {text[:80]!r}", REASON)
    return int(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= ID_MAX
