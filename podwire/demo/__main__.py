"""`python -m podwire.demo`: run the shows; exit status 0 if every claim of them held."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence

from cni_spec.errors import CniError
from linuxnet.errors import KernelError
from podwire.demo.errors import ShowError
from podwire.demo.many_nodes import Nodes, show_nodes
from podwire.demo.report import Report
from podwire.demo.show import show
from podwire.demo.world import WorldError, is_root
from podwire.lab.blueprint import MOST_NODES, LabMode, RegistryKind

NEEDED = {"ip": "iproute2", "nft": "nftables", "busybox": "busybox-static", "nsenter": "util-linux"}
SHOWS = ("nodes", "containers")


def main(arguments: Sequence[str]) -> int:
    """Run the shows on this machine."""
    asked = _parse(arguments)
    report = Report(sys.stdout)
    if not is_root():
        report.bad("The show makes network namespaces, which takes root: run it as root.")
        return 2
    needed = NEEDED | ({"etcd": "etcd-server"} if asked.registry == RegistryKind.ETCD else {})
    if missing := [package for tool, package in needed.items() if shutil.which(tool) is None]:
        report.bad(f"Not installed here: {', '.join(missing)}.")
        return 2
    try:
        if asked.only != "containers":
            show_nodes(report, Nodes(asked.nodes, RegistryKind(asked.registry), LabMode(asked.mode)))
        if asked.only != "nodes":
            show(report, plain=asked.plain)
    except BrokenPipeError:  # who read it has seen enough
        return 1
    except (ShowError, WorldError, CniError, KernelError, OSError, subprocess.SubprocessError) as error:
        report.bad(f"The show has failed: {error}")
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description="Show podwire at work, and clean up.")
    parser.add_argument(
        "--nodes", type=int, default=3, choices=range(2, MOST_NODES + 1), metavar="N", help="how many"
    )
    parser.add_argument(
        "--registry", default=RegistryKind.DIRECTORY.value, choices=[one.value for one in RegistryKind]
    )
    parser.add_argument("--mode", default=LabMode.VXLAN.value, choices=[one.value for one in LabMode])
    parser.add_argument("--only", choices=SHOWS, help="one of the two shows")
    parser.add_argument(
        "--plain", action="store_true", help="containers without containerd, even where there is one"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
