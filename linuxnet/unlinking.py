"""Deleting links: those in flight together as one group, with one message.

The kernel waits for RCU during a deletion and after it, and that once for a whole group (`ip link delete
group`). A link alone is deleted at once, by name. Nobody waits for what comes after it (`link_deletion`).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import cached_property

from linuxnet.errors import KernelError
from linuxnet.link_deletion import delete_links
from linuxnet.netlink import Netlink
from linuxnet.numbers import DOOMED_GROUP
from linuxnet.together import Together

Names = tuple[str, ...]


class Unlinker:
    """Deletes links of the namespace that its first user's thread is in. Threads may share one."""

    def __init__(self) -> None:
        self._together: Together[Names] = Together(self._serve)

    @cached_property
    def _netlink(self) -> Netlink:
        return Netlink()

    def close(self) -> None:
        """Close the socket."""
        if "_netlink" in self.__dict__:
            self._netlink.close()

    def remove(self, names: Sequence[str]) -> None:
        """Delete links, with those that others delete just now. Gone already is fine. Raises KernelError."""
        if names:
            self._together.do(tuple(names))

    def _serve(self, wanted: Sequence[Names]) -> list[Exception | None]:
        names = [name for one in wanted for name in one]
        if len(names) > 1 and self._remove_group([name for name in names if self._doom(name)]):
            return [None] * len(wanted)
        return [self._remove_each(one) for one in wanted]

    def _doom(self, name: str) -> bool:
        """Put a link into the group that is about to be deleted; tell whether it was there."""
        try:
            self._netlink.request("link", "set", ifname=name, group=DOOMED_GROUP)
        except KernelError:  # gone, or whatever it is that deleting it by name will say
            return False
        return True

    def _remove_group(self, doomed: Sequence[str]) -> bool:
        """Delete the group; return False if it must be tried one by one."""
        try:
            delete_links(doomed, group=DOOMED_GROUP)
        except KernelError as error:
            return error.errno == errno.ENODEV and not doomed
        return True

    def _remove_each(self, names: Names) -> Exception | None:
        for name in names:
            try:
                delete_links([name], ifname=name)
            except KernelError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT):  # gone: what we wanted
                    return error
        return None
