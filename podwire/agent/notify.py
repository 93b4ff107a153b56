"""sd_notify(3): telling systemd that we are ready, alive, or about to end. Silent without systemd."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send one state, e.g. "READY=1"."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract name (unix(7))
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), socket.MSG_DONTWAIT, address)
    except OSError:  # a service manager that does not listen has nothing to be told
        return


def watchdog_interval() -> float | None:
    """Return how often to say "WATCHDOG=1", in seconds: half of what systemd allows; None: not asked."""
    given = os.environ.get("WATCHDOG_USEC", "")
    is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(given) / 2_000_000 if given.isdigit() and is_ours else None
