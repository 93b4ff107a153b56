"""What several attachments share, and how a failing ADD leaves it alone.

A bridge, the nft table, a forwarding sysctl: whoever comes first makes them, everybody uses them. An ADD
that fails takes back what it made, but only if nobody else has begun to use it. So every ADD holds a
shared lock from before it looks at such a thing until it is done, and undoing needs the lock alone. The
lock is flock(2) on the namespace's own inode: one lock for each host namespace, no file to leave behind,
gone with the process. The sbr plugin of the reference locks a *container's* namespace the same way,
which is another inode.
"""

from __future__ import annotations

import fcntl
import os

from linuxnet.netns import OWN_NETNS


class SharedLock:
    """Held by every request that makes or uses shared objects, until it is closed."""

    def __init__(self) -> None:
        self._descriptor = os.open(OWN_NETNS, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_alone(self) -> bool:
        """Become the only holder, if no other is there now; stay so until closed.

        A refusal loses the shared lock too (flock(2), conversion): only an undo, which comes last, asks.
        """
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody else is in the middle of an ADD
            return False
        return True

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)
