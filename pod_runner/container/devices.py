"""Which devices a container's processes may open: runc's list, as rules of the devices controller."""

from __future__ import annotations

# TYPE MAJOR:MINOR ACCESS (admin-guide/cgroup-v1/devices.rst; numbers: admin-guide/devices.txt)
ALLOWED = (
    "c *:* m", "b *:* m",  # to make a node is not to use it
    "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",  # null, zero, full, random, urandom
    "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm",  # tty, console, ptmx, pts
)  # fmt: skip
