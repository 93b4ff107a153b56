"""Sizes and times of the kernel's connection table, as kube-proxy sets them (reference: its `conntrack`).

What a network namespace of its own may not write (the table's size) is the host's business there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from service_proxy.settings import ConntrackSettings

FOLDER = Path("/proc/sys/net/netfilter")
SIZE = "nf_conntrack_max"


def wanted_values(settings: ConntrackSettings, cores: int) -> Iterator[tuple[str, int]]:
    """Yield sysctls below net/netfilter and what they are to be; the size is a least value."""
    if settings.max_per_core:
        yield SIZE, max(settings.max_per_core * cores, settings.min)
    for name, value in (
        ("nf_conntrack_tcp_timeout_established", settings.tcp_established_timeout),
        ("nf_conntrack_tcp_timeout_close_wait", settings.tcp_close_wait_timeout),
        ("nf_conntrack_tcp_be_liberal", int(settings.tcp_be_liberal)),
        ("nf_conntrack_udp_timeout", settings.udp_timeout),
        ("nf_conntrack_udp_timeout_stream", settings.udp_stream_timeout),
    ):
        if value:
            yield name, value


def set_up(settings: ConntrackSettings) -> str:
    """Write what differs in the calling thread's namespace; return what could not be, "" if nothing."""
    troubles = []
    for name, value in wanted_values(settings, os.cpu_count() or 1):
        path = FOLDER / name
        try:
            seen = int(path.read_text())
            if seen < value if name == SIZE else seen != value:
                path.write_text(f"{value}\n")
        except (FileNotFoundError, ValueError):  # no connection tracking yet, or another kernel's
            continue
        except OSError as error:
            if name != SIZE or os.access("/proc/sys/net/netfilter/nf_conntrack_buckets", os.W_OK):
                troubles.append(f"{name}={value}: {error.strerror}")
    return "; ".join(troubles)
