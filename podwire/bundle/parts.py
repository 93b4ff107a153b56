"""What goes into a bundle: commands and files, each bounded in size and time."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cni_plugins.journal import AGENT_CONFIG, destination

SIZE_LIMIT = 4 << 20  # bytes of one part; `nft -j list ruleset` of 20,000 elements is 3 MB
LOG_LIMIT = 1 << 20  # bytes, from the end
LINES = 2000  # of a journal
TIME_LIMIT = 10.0  # seconds of one command
DOCTOR_TIME = 60.0  # seconds; it waits for locks and for firewalld
FEW = 50  # files that one pattern brings
CONFIG_FILES = (
    "/etc/podwire/*.toml", "/etc/podwire/*.json", "/etc/cni/net.d/*.conflist", "/etc/cni/net.d/*.conf",
    "/etc/cni/net.d/*.json", "/etc/cni/net.d/*/*.conf", "/etc/kube-flannel/*.json",
    "/etc/systemd/networkd.conf", "/etc/systemd/networkd.conf.d/*.conf", "/etc/systemd/network/*.link",
    "/etc/NetworkManager/conf.d/*.conf",
)  # fmt: skip
STATE_FILES = (
    "/run/flannel/*.env",
    "/var/lib/podwire/*.json",
    "/var/lib/podwire/*/*.json",
    "/etc/os-release",
)
PROC_FILES = (
    "/proc/version", "/proc/meminfo", "/proc/loadavg", "/proc/thread-self/net/snmp",
    "/proc/thread-self/net/snmp6", "/proc/thread-self/net/netstat", "/proc/thread-self/net/softnet_stat",
    "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max",
)  # fmt: skip
TOOLS = (
    "ip -V", "nft --version", "iptables --version", "ip -d -s -j link", "ip -d -j address", "ip -d -j rule",
    "ip -d -j -4 route show table all", "ip -d -j -6 route show table all", "ip -d -j -6 rule",
    "ip -d -j nexthop", "ip -d -s -j neigh", "bridge -d -j link", "bridge -d -j fdb", "tc -s -j qdisc",
    "nft -j list ruleset", "iptables-save -c", "ip6tables-save -c", "sysctl -a -r ^net[.]", "ss -uanp",
    "ss -s", "conntrack -S", "ip -j netns",
)  # fmt: skip
LEGACY = (("iptables-legacy-save -c", "ip_tables_names"), ("ip6tables-legacy-save -c", "ip6_tables_names"))


@dataclass(frozen=True)
class Command:
    """A command to run; `seconds` it may take; `statuses` that are no failure."""

    words: tuple[str, ...]
    name: str
    seconds: float = TIME_LIMIT
    limit: int = SIZE_LIMIT
    statuses: tuple[int, ...] = (0,)

    @property
    def source(self) -> str:
        """Return the command as one types it."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Document:
    """A file to copy: its first bytes, or its last. `is_config`: secrets are looked for by their keys."""

    path: Path
    name: str
    is_config: bool = False
    from_the_end: bool = False
    limit: int = SIZE_LIMIT

    @property
    def source(self) -> str:
        """Return the path."""
        return str(self.path)


Part = Command | Document


def list_parts(root: Path = Path("/")) -> list[Part]:
    """Return everything that goes in; configuration first, since its secrets are known from then on.

    `root` is where the host's files are; what the kernel shows is this process's in any case.
    """
    freeze = (sys.executable, "-m", "pip", "freeze", "--disable-pip-version-check")
    doctor = ("doctor", "-o", "json", "--root", str(root))
    return [
        *_documents(root, CONFIG_FILES, is_config=True),
        *_documents(root, STATE_FILES),
        *_documents(Path("/"), PROC_FILES),
        _ours("podwire-version.txt", "--version"),
        _ours("agent-status.json", "agent", "status", "-o", "json"),
        replace(_ours("overlay-status.json", "overlay", "status", "-o", "json"), statuses=(0, 1)),
        _ours("overlay-peers.json", "overlay", "peers", "-o", "json"),
        replace(_ours("doctor.json", *doctor), seconds=DOCTOR_TIME, statuses=(0, 1, 3)),
        Command(freeze, "python-packages.txt"),
        *(_tool(line) for line in TOOLS),
        *(_tool(line) for line, names in LEGACY if _is_loaded(names)),
        *_logs(root),
    ]


def _documents(root: Path, patterns: tuple[str, ...], *, is_config: bool = False) -> list[Part]:
    found = [path for one in patterns for path in sorted(root.glob(one.lstrip("/")))[:FEW] if path.is_file()]
    return [Document(path, f"files/{path.relative_to(root)}", is_config) for path in found]


def _ours(name: str, *words: str) -> Command:
    return Command((sys.executable, "-I", "-m", "podwire", *words), name)


def _tool(line: str) -> Command:
    kept = "".join(character if character.isalnum() else "-" for character in line)
    suffix = "json" if " -j " in line else "txt"
    name = "-".join(filter(None, kept.split("-")))
    return Command(tuple(line.split()), f"commands/{name}.{suffix}")


def _is_loaded(names: str) -> bool:
    """Tell whether legacy iptables has tables here: asking the tool would load them."""
    try:
        return bool(Path("/proc/thread-self/net", names).read_text().strip())
    except OSError:  # a kernel without, or an ordinary user
        return False


def _logs(root: Path) -> list[Part]:
    """Return the last lines of where agent.toml sends the journal; of journald's in any case."""
    journal = ("journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(LINES), "-t", "podwire")
    unit = (*journal[:-2], "-u", "podwire-agent")
    parts: list[Part] = [Command(journal, "logs/journal.txt"), Command(unit, "logs/unit.txt")]
    chosen = destination({}, root / str(AGENT_CONFIG).lstrip("/"))
    if chosen.startswith("/"):
        parts.append(
            Document(
                root / chosen.lstrip("/"), f"logs/{Path(chosen).name}", from_the_end=True, limit=LOG_LIMIT
            )
        )
    return parts
