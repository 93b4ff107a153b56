"""Rights, libraries, tools, folders."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from linuxnet.errors import MissingTool
from linuxnet.iptables import SEARCH_PATH
from podwire.doctor.host_files import HostFiles
from podwire.doctor.verdict import State, Verdict, judge

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_NET_RAW": 13}  # linux/capability.h
PLUGIN_FOLDER, CONF_FOLDER = Path("/opt/cni/bin"), Path("/etc/cni/net.d")
STATE_FOLDERS = (Path("/var/lib/cni"), Path("/run"), Path("/var/lib"))
JOURNAL = Path("/run/systemd/journal/socket")


def look_at_software(files: HostFiles) -> Iterator[Verdict]:
    """Yield a verdict on everything that is not the kernel; runtimes' folders are the host's."""
    yield Verdict("python", State.FINE, platform.python_version(), "everything")
    yield _rights()
    yield _libnftables()
    yield _iptables()
    for tool, needed_by in (("ip", "looking by hand"), ("tc", "looking by hand"), ("nft", "looking by hand")):
        path = shutil.which(tool, path=SEARCH_PATH)
        problem = None if path else "not on this machine"
        advice = f"install {'nftables' if tool == 'nft' else 'iproute2'}"
        yield judge(tool, problem, needed_by, advice, found=path or "", vital=False)
    yield _writable()
    yield _installed(files.at(str(PLUGIN_FOLDER)))
    yield _configured(files.at(str(CONF_FOLDER)))
    problem = None if JOURNAL.exists() else f"no {JOURNAL}"
    advice = 'log to a file: [log] to = "/var/log/podwire.log"'
    yield judge("journald", problem, '[log] to = "journald"', advice, found=str(JOURNAL), vital=False)


def lacking_capabilities() -> list[str]:
    """Return which of the capabilities that podwire needs this process does not have."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    effective = int(lines["CapEff"], 16)  # proc_pid_status(5)
    return [name for name, bit in CAPABILITIES.items() if not effective >> bit & 1]


def _rights() -> Verdict:
    lacking = lacking_capabilities()
    problem = f"no {', '.join(lacking)}" if lacking else None
    return judge("rights", problem, "every change", "run it as root", found=f"uid {os.geteuid()}", vital=True)


def _libnftables() -> Verdict:
    from linuxnet.nft import LIBRARY, Nft

    try:
        Nft().close()
    except MissingTool as error:
        return judge(
            "libnftables",
            str(error),
            "ipMasq, portmap, firewall",
            "install libnftables1",
            found="",
            vital=True,
        )
    return judge("libnftables", None, "ipMasq, portmap, firewall", "", found=LIBRARY, vital=True)


def _iptables() -> Verdict:
    needed_by = 'backend "iptables"'
    path = shutil.which("iptables", path=SEARCH_PATH)
    if path is None:
        return judge("iptables", "not on this machine", needed_by, "install iptables", found="", vital=False)
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    said = done.stdout.strip()  # "iptables v1.8.9 (nf_tables)"
    return judge(
        "iptables", None if said else "it does not run", needed_by, "reinstall it", found=said, vital=False
    )


def _writable() -> Verdict:
    shut = [str(path) for path in STATE_FOLDERS if path.exists() and not os.access(path, os.W_OK)]
    problem = f"{', '.join(shut)} cannot be written" if shut else None
    advice = "run it as root, or mount them writable"
    return judge(
        "state folders", problem, "reservations, locks, caches", advice, found="writable", vital=True
    )


def _installed(folder: Path) -> Verdict:
    from cni_plugins.registry import PLUGIN_TYPES
    from podwire.install.launchers import is_launcher

    ours = [name for name in PLUGIN_TYPES if is_launcher(folder / name)]
    problem = None if len(ours) == len(PLUGIN_TYPES) else f"{len(ours)} of {len(PLUGIN_TYPES)} in {folder}"
    advice = f"mkdir -p {folder} && podwire install"
    return judge(
        "plugins", problem, "container runtimes", advice, found=f"{len(ours)} in {folder}", vital=False
    )


def _configured(folder: Path) -> Verdict:
    from pod_runner.cni.lists import list_files

    names = [path.name for path in list_files(folder, ".conflist", ".conf", ".json")]
    problem = None if names else f"no configuration in {folder}"
    advice = "podwire install --conflist bridge, then podwire lint"
    return judge("networks", problem, "container runtimes", advice, found=", ".join(names), vital=False)
