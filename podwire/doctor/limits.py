"""What fills up: conntrack, neighbour tables, inotify, open files. And the clock, which drifts."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from podwire.doctor.sysctls import read_number
from podwire.doctor.verdict import State, Verdict

NEARLY = 0.8  # of a limit; a burst of connections takes the rest in seconds
FEWEST_FILES = 1024  # an agent with 64 workers and a metrics server has about 300 open
NEIGHBOUR_STATISTICS = {4: "/proc/net/stat/arp_cache", 6: "/proc/net/stat/ndisc_cache"}
TIME_ERROR, STA_UNSYNC = 5, 0x0040  # adjtimex(2), sys/timex.h
TIMEX_BYTES = 512  # struct timex has 208; the rest is a margin
STATUS_AT = 40  # bytes; modes, offset, freq, maxerror and esterror come first on 64-bit machines

_libc = ctypes.CDLL(None, use_errno=True)


def look_at_limits() -> Iterator[Verdict]:
    """Yield a verdict on each."""
    yield _conntrack()
    yield from (_neighbours(family) for family in (4, 6))
    yield _inotify()
    yield _files()
    yield _descriptors()
    yield judge_clock(*_ask_clock())


def judge_fill(name: str, used: int, limit: int, breaks: str, advice: str) -> Verdict:
    """Compare what is used with what there is."""
    state = State.FINE if used < NEARLY * limit else State.RISKY if used < limit else State.BROKEN
    return Verdict(name, state, f"{used} of {limit}", breaks, "" if state is State.FINE else advice)


def judge_clock(state: int, status: int) -> Verdict:
    """Say whether the kernel's clock is disciplined by anybody (adjtimex(2))."""
    breaks = "leases that expire by time, certificates, the order of lines in logs"
    if state == TIME_ERROR or status & STA_UNSYNC:
        advice = "timedatectl set-ntp true, or install chrony"
        return Verdict("clock", State.RISKY, "nobody keeps it in step", breaks, advice)
    return Verdict("clock", State.FINE, "synchronised", breaks)


def _ask_clock() -> tuple[int, int]:
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: look only
    state = _libc.adjtimex(buffer)
    return state, int.from_bytes(buffer.raw[STATUS_AT : STATUS_AT + 4], "little", signed=True)


def _conntrack() -> Verdict:
    breaks = "new connections: their packets are dropped when it is full"
    used = read_number("netfilter/nf_conntrack_count")
    limit = read_number("netfilter/nf_conntrack_max")
    if used is None or not limit:  # 0: no limit
        return Verdict("conntrack entries", State.FINE, "no limit", breaks)
    advice = f"sysctl -w net/netfilter/nf_conntrack_max={2 * limit}"
    return judge_fill("conntrack entries", used, limit, breaks, advice)


def _neighbours(family: int) -> Verdict:
    name, breaks = f"IPv{family} neighbours", "talk with pods and nodes that are not in the table yet"
    limit = read_number(f"ipv{family}/neigh/default/gc_thresh3")
    try:
        used = int(Path(NEIGHBOUR_STATISTICS[family]).read_text().splitlines()[1].split()[0], 16)
    except FileNotFoundError:
        used = None
    if limit is None or used is None:
        found = "gc_thresh3 is shown in the machine's first namespace only"
        return Verdict(name, State.UNSEEN, found, breaks, "run it outside of containers")
    thresholds = (f"gc_thresh{level}={limit << level - 1}" for level in (1, 2, 3))
    advice = "sysctl -w " + " ".join(f"net/ipv{family}/neigh/default/{one}" for one in thresholds)
    return judge_fill(name, used, limit, breaks, advice)


def _inotify() -> Verdict:
    """Open an instance: how many others a user has is not shown anywhere."""
    breaks = "hearing of changed files at once: the directory registry, `podwire cni` and its networks"
    descriptor = _libc.inotify_init1(os.O_CLOEXEC)
    if descriptor >= 0:
        os.close(descriptor)
        limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
        return Verdict("inotify", State.FINE, f"{limit} instances a user", breaks)
    number = ctypes.get_errno()
    found = "no instance is left" if number == errno.EMFILE else os.strerror(number)
    return Verdict("inotify", State.LACKING, found, breaks, "sysctl -w fs/inotify/max_user_instances=8192")


def _files() -> Verdict:
    used, _, limit = Path("/proc/sys/fs/file-nr").read_text().split()
    advice = f"sysctl -w fs/file-max={2 * int(limit)}"
    return judge_fill("open files", int(used), int(limit), "every program of the machine", advice)


def _descriptors() -> Verdict:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    breaks = "an agent with many callers at once"
    if soft == resource.RLIM_INFINITY or soft >= FEWEST_FILES:
        return Verdict("file descriptors", State.FINE, f"{soft} a process", breaks)
    advice = f"ulimit -n {FEWEST_FILES}, or LimitNOFILE= in the unit"
    return Verdict("file descriptors", State.RISKY, f"{soft} a process", breaks, advice)
