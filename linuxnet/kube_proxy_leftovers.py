"""What kube-proxy leaves in a host's firewall when it goes: found and taken away, as its --cleanup does.

Its tables of nf_tables (`ip kube-proxy`, `ip6 kube-proxy`) are its own as a whole. Of its iptables chains
those are left that kubelet makes as well, and nobody's rules but jumps to what goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from linuxnet.errors import KernelError, MissingTool
from linuxnet.iptables import TOOLS, list_rules, restore_text
from linuxnet.nft import Nft

TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
KUBELETS = frozenset({"KUBE-FIREWALL", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"})
_OWN = re.compile(
    r"KUBE-(SERVICES|EXTERNAL-SERVICES|NODEPORTS|NODE-PORT|POSTROUTING|MARK-MASQ|MARK-DROP|FORWARD"
    r"|PROXY-FIREWALL|PROXY-CANARY|SOURCE-RANGES-FIREWALL|LOAD-BALANCER|IPVS-FILTER|IPVS-OUT-FILTER"
    r"|(SVC|SVL|SEP|FW|EXT|XLB)-[A-Z0-9]{16})"
)
_JUMP = re.compile(r" -[jg] (\S+)")


def remove_leftovers() -> list[str]:
    """Remove what there is in the calling thread's namespace; return it in words.

    Raises:
        KernelError, Busy: something refused to go.
    """
    found = [f"nft table {family} {name}" for family, name in TABLES if _remove_table(family, name)]
    for family, tool in TOOLS.items():
        try:
            saved = list_rules(family)
        except MissingTool:  # then nobody has used it
            continue
        if text := removal(saved):
            restore_text(family, text)
            found.append(f"chains of {tool}")
    return found


def removal(saved: Iterable[str]) -> str:
    """Return what iptables-restore --noflush is told, given what iptables-save prints. Pure."""
    lines: list[str] = []
    for table, rules in _by_table(saved):
        chains = [line[1:].split(" ")[0] for line in rules if line.startswith(":")]
        gone = [one for one in chains if _OWN.fullmatch(one) and one not in KUBELETS]
        jumps = [line for line in rules if line.startswith("-A ") and _leads_into(line, gone)]
        if gone:
            lines += [f"*{table}", *(f":{one} - [0:0]" for one in gone)]
            lines += [f"-D {line.removeprefix('-A ')}" for line in jumps]
            lines += [*(f"-X {one}" for one in gone), "COMMIT"]
    return "\n".join([*lines, ""]) if lines else ""


def _leads_into(rule: str, chains: Iterable[str]) -> bool:
    """Tell whether a rule of a chain that stays jumps to one that goes."""
    gone = set(chains)
    jump = _JUMP.search(rule)
    return jump is not None and jump[1] in gone and rule.split(" ")[1] not in gone


def _by_table(saved: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    table, lines = "", list[str]()
    for line in saved:
        if line.startswith("*"):
            table, lines = line[1:].strip(), []
        elif line.startswith("COMMIT"):
            yield table, lines
        else:
            lines.append(line)


def _remove_table(family: str, name: str) -> bool:
    nft = Nft()
    try:
        nft.run(f"list table {family} {name}")
    except KernelError:  # there is none
        return False
    else:
        nft.run(f"delete table {family} {name}")
        return True
    finally:
        nft.close()
