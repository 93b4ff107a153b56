"""One node of a test's cluster as a process: `python -m tests.overlay.node_process NETNS FOLDER`.

FOLDER holds `settings.json` and `boot_id`, which stands for the kernel's own in the process's mount
namespace. What the node says of itself appears in `said.json`, replaced as a whole.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Thread

CLONE_NEWNS, CLONE_NEWNET, MS_BIND = 0x00020000, 0x40000000, 4096  # linux/sched.h, linux/mount.h


def _settle(netns: str, folder: Path) -> None:
    """Enter the node's namespaces; before that nothing of podwire is imported."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(netns).open() as file:
        assert libc.setns(file.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
    boot = str(folder / "boot_id").encode()
    assert libc.mount(boot, b"/proc/sys/kernel/random/boot_id", None, MS_BIND, None) == 0


def main(netns: str, folder: Path) -> None:
    """Be the node until SIGTERM."""
    _settle(netns, folder)
    from overlay.node import OverlayNode
    from overlay.settings import OverlaySettings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = OverlaySettings.model_validate_json((folder / "settings.json").read_text())
    pods = folder / "pods"
    node = OverlayNode(settings, pods_in=lambda subnets: int(pods.read_text()) if pods.exists() else 0)
    signal.signal(signal.SIGTERM, lambda *_: node.stop())
    Thread(target=_report, args=(node, folder / "said.json"), daemon=True).start()
    node.run()


def _report(node: object, file: Path) -> None:
    """Write down what the node says, whenever it says something else."""
    from overlay.node import OverlayNode

    assert isinstance(node, OverlayNode)
    before = ""
    while True:
        with node.changed:
            while (text := _said(node)) == before:
                node.changed.wait()
        draft = file.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(file)
        before = text


def _said(node: object) -> str:
    from overlay.node import OverlayNode

    assert isinstance(node, OverlayNode)
    body = {
        "ready": node.is_ready,
        "leased": node.tenancy.is_leased,
        "conditions": node.conditions.as_json(),
    }
    return json.dumps(body)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
