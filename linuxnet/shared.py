"""What several attachments share, and how a failing ADD leaves it alone.

A bridge, the nft table, a forwarding sysctl: whoever comes first makes them, everybody uses them. An ADD
that fails takes back what it made, but only if nobody else has begun to use it. So every ADD holds a
shared lock from before it looks at such a thing until it is done, and undoing needs the lock alone. The
lock is flock(2) on the namespace's own inode: one lock for each host namespace, no file to leave behind,
gone with the process. The sbr plugin of the reference locks a *container's* namespace the same way,
which is another inode.

Only taking the shared lock may wait. To be alone is asked without waiting: whoever asks may hold what the
other holder is about to need.
"""

from __future__ import annotations

import fcntl
import os

from linuxnet.netns import OWN_NETNS


class SharedLock:
    """One request's part of the lock; nothing is held at first."""

    def __init__(self) -> None:
        self._descriptor = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        self._is_shared = False

    def share(self) -> None:
        """Hold the lock with all others who make or use shared objects, until it is closed. May wait."""
        if not self._is_shared:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            self._is_shared = True

    def is_alone(self) -> bool:
        """Become the only holder, if no other is there now; stay so until `share_again`, or closed.

        A refusal loses the shared lock too (flock(2), conversion): only what comes last asks, as an undo.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody else is in the middle of an ADD
            self._is_shared = False
            return False
        return True

    def share_again(self) -> None:
        """Let others in again: hold what was held before `is_alone`."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH if self._is_shared else fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)
