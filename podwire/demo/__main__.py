"""`python -m podwire.demo`: run the show; exit status 0 if every claim of it held."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence

from podwire.demo.report import Report
from podwire.demo.show import ShowError, show
from podwire.demo.world import WorldError, is_root

PLAIN = "--plain"  # without containerd, even where there is one
NEEDED = {"ip": "iproute2", "nft": "nftables", "busybox": "busybox-static", "nsenter": "util-linux"}


def main(arguments: Sequence[str]) -> int:
    """Run the show on this machine."""
    if unknown := set(arguments) - {PLAIN}:
        sys.stderr.write(f"usage: python -m podwire.demo [{PLAIN}]; unknown: {' '.join(sorted(unknown))}\n")
        return 2
    report = Report(sys.stdout)
    if not is_root():
        report.bad("The show makes network namespaces, which takes root: run it as root.")
        return 2
    if missing := [package for tool, package in NEEDED.items() if shutil.which(tool) is None]:
        report.bad(f"Not installed here: {', '.join(missing)}.")
        return 2
    try:
        show(report, plain=PLAIN in arguments)
    except (ShowError, WorldError, OSError, subprocess.SubprocessError) as error:
        report.bad(f"The show has failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
