"""A namespace or a container -> the attachments that are meant.

Who is attached is told by the cache of results and by the marks on host links; either may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cni_spec.errors import UNKNOWN_CONTAINER, CniError
from linuxnet.kernel import Kernel
from linuxnet.owner import Attachment, mark_of_alias
from pod_runner.cni.cache import CachedAttachment


@dataclass(frozen=True)
class Subject:
    """What is inspected: marks of attachments, the attachments as far as they are known, the namespace.

    `netns` is "" where none is known or it is gone. `cached` are the files the attachments have.
    """

    marks: frozenset[str]
    attachments: frozenset[Attachment]
    netns: str
    cached: tuple[CachedAttachment, ...]

    @property
    def container_ids(self) -> frozenset[str]:
        """Return the containers' ids."""
        return frozenset(one.container_id for one in self.attachments)


def find_subject(kernel: Kernel, said: str, netns: str, cached: Iterable[CachedAttachment]) -> Subject:
    """Return what a person means by a container's id, or by a namespace whose path would be `netns`.

    The namespace is entered, if there is one.

    Raises:
        CniError: code 3, if nothing is known by that name.
    """
    is_netns = _exists(netns)
    meant = [one for one in cached if said == one.target.container_id or _is_same(netns, one.target.netns)]
    path = netns if is_netns else next((one.target.netns for one in meant if _exists(one.target.netns)), "")
    if path:
        kernel.enter(path)
    known = {Attachment(one.network, one.target.container_id, one.target.ifname) for one in meant}
    marks = {one.mark for one in known} | set(_marks_of_links(kernel, said))
    known |= {Attachment(*mark.split(" ")) for mark in marks if "#" not in mark and mark.count(" ") == 2}
    if not marks and not is_netns:
        raise CniError(UNKNOWN_CONTAINER, f"nothing is known of {said}: no namespace, no result, no link")
    return Subject(frozenset(marks), frozenset(known), path, tuple(meant))


def _marks_of_links(kernel: Kernel, container_id: str) -> Iterator[str]:
    """Yield the marks of host links of a container, and of those whose other end is in the namespace."""
    inner = {link.peer for link in kernel.container.links()} if kernel.has_container else set()
    hashed = Attachment("x" * 200, container_id, "x").mark.split(" ")[1]
    for link in kernel.host.links():
        mark = mark_of_alias(link.alias)
        if mark is not None and (mark.split(" ")[1:2] in ([container_id], [hashed]) or link.index in inner):
            yield mark


def _exists(path: str) -> bool:
    return bool(path) and Path(path).exists()


def _is_same(path: str, other: str) -> bool:
    """Tell whether two paths are one namespace: the same file, or the same words if there is none."""
    if _exists(path) and _exists(other):
        return Path(path).samefile(other)
    return bool(path) and path == other
