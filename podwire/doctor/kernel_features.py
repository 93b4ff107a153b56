"""What the kernel knows: each thing is tried, in a namespace that is gone afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from linuxnet.errors import KernelError, MissingTool
from linuxnet.netns import inside
from linuxnet.nft import Nft
from linuxnet.pyroute import Pyroute
from linuxnet.scratch import open_scratch_netns
from podwire.doctor.features import FEATURES, FILES, Bench, Feature
from podwire.doctor.overlay_features import OVERLAY_FEATURES
from podwire.doctor.verdict import State, Verdict, judge


def look_at_kernel() -> Iterator[Verdict]:
    """Yield a verdict on the kernel's release, on files that show what it has, and on every feature tried."""
    yield Verdict("kernel", State.FINE, os.uname().release, "everything")
    for name, path, needed_by, option, vital in FILES:
        problem = None if Path(path).exists() else f"no {path}"
        yield judge(name, problem, needed_by, _advice(option), found=path, vital=vital)
    overlay = "overlay" in Path("/proc/filesystems").read_text().split()
    problem = None if overlay else "not in /proc/filesystems"
    yield judge("overlayfs", problem, "the pod runner", _advice("OVERLAY_FS"), found="yes", vital=False)
    try:
        yield from _try_all()
    except (KernelError, MissingTool) as error:
        advice = "run it as root, where libnftables is installed"
        yield Verdict("kernel features", State.MISSING, str(error), "everything", advice)


def _try_all() -> list[Verdict]:
    descriptor = open_scratch_netns()
    try:
        with inside(descriptor):
            netlink, context = Pyroute(), Nft()
            try:
                bench = Bench(netlink, context, _stand(netlink))
                return [_try(feature, bench) for feature in FEATURES + OVERLAY_FEATURES]
            finally:
                netlink.close()
                context.close()
    finally:
        os.close(descriptor)


def _stand(netlink: Pyroute) -> int:
    """Return the index of a link to stand on: one end of a veth, or lo where there are no veths."""
    try:
        netlink.request("link", "add", ifname="stand0", kind="veth")
    except KernelError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return 1  # lo is the first link of every namespace
    index: int = netlink.request("link", "get", ifname="stand0")[0]["index"]
    return index


def _try(feature: Feature, bench: Bench) -> Verdict:
    problem = None
    try:
        feature.probe(bench)
    except KernelError as error:
        problem = error.said.splitlines()[0] if error.said else str(error)
    name, needed_by, advice = feature.name, feature.needed_by, _advice(feature.option)
    return judge(name, problem, needed_by, advice, found="yes", vital=feature.vital)


def _advice(option: str) -> str:
    return f"a kernel with CONFIG_{option}, or its module"
