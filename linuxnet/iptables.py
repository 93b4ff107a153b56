"""The iptables backend, for hosts that ask for it: rules as values, one iptables-restore a family.

The host's own tool is used, whichever variant it is (nf_tables or legacy), so that it shows the rules. A
chain of an attachment's own is declared, which creates it or empties it; a rule in a shared chain is added
only if it is not there. The lock that all users of iptables share is waited for, but not for ever.

Why not python-iptables (1.2.0, libxtables 1.8.9), in process, where the host's variant is legacy: once a
process has made a DNAT for one family, the other's fails ("can't find target DNAT"), and one agent serves
both; `iptc.easy` leaves out a match it cannot make and adds the wider rule. It takes no lock, and costs
190 ms to import. Seven rules take 1.4 to 1.7 ms by it and 1.3 ms by one iptables-restore.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linuxnet.errors import Busy, KernelError, MissingTool
from linuxnet.kernel import Kernel
from linuxnet.op import Inverse, Op

if TYPE_CHECKING:  # 5 ms at the start of every plugin, most of which run no iptables
    import subprocess

LOCK_WAIT = 5  # seconds; a proxy that loads 100,000 rules holds the lock for longer, then we try again later
EXIT_BUSY = 4  # RESOURCE_PROBLEM (include/xtables.h)
SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
TOOLS = {4: "iptables", 6: "ip6tables"}


@dataclass(frozen=True, order=True)
class Chain:
    """A chain; `own` ones belong to one attachment and are emptied when they are declared again."""

    family: int
    table: str
    name: str
    own: bool = True


@dataclass(frozen=True)
class Rule:
    """A rule: `spec` as iptables takes it. `first` puts it before those that are there."""

    chain: Chain
    spec: tuple[str, ...]
    first: bool = False

    def command(self, verb: str = "") -> str:
        """Return the rule as a line for iptables-restore."""
        return " ".join([verb or ("-I" if self.first else "-A"), self.chain.name, *map(_quoted, self.spec)])


@dataclass(frozen=True)
class Rules:
    """Chains and rules, applied in one go for each family. A shared rule that is there is left alone."""

    chains: tuple[Chain, ...]
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        new = [f"{TOOLS[c.family]} -t {c.table} -N {c.name}" for c in self.chains]
        return "; ".join(
            new + [f"{TOOLS[r.chain.family]} -t {r.chain.table} {r.command()}" for r in self.rules]
        )

    def apply(self, kernel: Kernel) -> Op | None:
        """Add what is missing. Raises MissingTool, Busy, or KernelError with iptables' words."""
        chains = tuple(one for one in self.chains if one.own or not chain_exists(one))
        rules = tuple(one for one in self.rules if self._is_own(one) or not rule_exists(one))
        if not chains and not rules:
            return None
        restore(chains, [rule.command() for rule in rules], [rule.chain for rule in rules])
        return RemoveRules(chains, tuple(one for one in rules if one.chain not in chains))

    def difference(self, kernel: Kernel) -> str | None:
        """Name the first rule that is not there."""
        for rule in self.rules:
            if not rule_exists(rule):
                place = f"{TOOLS[rule.chain.family]} table {rule.chain.table}"
                return f"rule {rule.command()!r} is missing in {place}"
        return None

    def _is_own(self, rule: Rule) -> bool:
        return rule.chain.own and rule.chain in self.chains


@dataclass(frozen=True)
class RemoveRules(Inverse):
    """Remove rules, then chains; what is gone already is fine."""

    chains: tuple[Chain, ...]
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return "; ".join(f"{TOOLS[r.chain.family]} -t {r.chain.table} {r.command('-D')}" for r in self.rules)

    def apply(self, kernel: Kernel) -> Op | None:
        """Remove what is there."""
        for rule in self.rules:
            while rule_exists(rule):
                run(rule.chain.family, "-t", rule.chain.table, "-D", rule.chain.name, *rule.spec)
        for chain in self.chains:
            if chain_exists(chain):
                run(chain.family, "-t", chain.table, "-F", chain.name)
                run(chain.family, "-t", chain.table, "-X", chain.name)
        return None


def is_available(family: int) -> bool:
    """Tell whether the host has iptables for a family."""
    import shutil

    return shutil.which(TOOLS[family], path=SEARCH_PATH) is not None


def has_rules(kernel: Kernel, family: int, table: str) -> bool:
    """Tell without a process whether iptables holds anything in a table, in either variant."""
    names = f"/proc/net/ip{'6' if family == 6 else ''}_tables_names"
    try:
        with open(names) as file:  # noqa: PTH123 - per namespace: no Path cached across them
            if table in file.read().split():
                return True
    except FileNotFoundError:  # no legacy iptables in this kernel, or not loaded
        pass
    return kernel.ruleset.has_table("ip6" if family == 6 else "ip", table)


def chain_exists(chain: Chain) -> bool:
    """Tell whether a chain exists. Raises Busy: a lock that others hold is not an answer."""
    return _succeeds(chain.family, "-t", chain.table, "-n", "-L", chain.name)


def rule_exists(rule: Rule) -> bool:
    """Tell whether a rule exists. Raises Busy."""
    return _succeeds(rule.chain.family, "-t", rule.chain.table, "-C", rule.chain.name, *rule.spec)


def saved_rules(family: int, table: str) -> list[str]:
    """Return a table's rules as iptables-save prints them."""
    done = _run([f"{TOOLS[family]}-save", "-t", table], None)
    return [line for line in done.stdout.splitlines() if line.startswith("-A ")]


def list_rules(family: int) -> list[str]:
    """Return all tables' chains and rules as iptables-save prints them."""
    done = _run([f"{TOOLS[family]}-save"], None)
    _raise_for(done, f"{TOOLS[family]}-save")
    return done.stdout.splitlines()


def restore_text(family: int, text: str) -> None:
    """Have a text of iptables-restore(8) done; what it does not name stays. Raises KernelError, Busy."""
    tool = f"{TOOLS[family]}-restore"
    _raise_for(_run([tool, "--noflush", f"--wait={LOCK_WAIT}"], text), f"{tool} of {len(text)} characters")


def run(family: int, *words: str) -> None:
    """Run iptables with one command."""
    _raise_for(_tool(family, list(words)), f"{TOOLS[family]} {' '.join(words)}")


def restore(chains: Iterable[Chain], commands: list[str], of: list[Chain]) -> None:
    """Declare chains and run commands, one iptables-restore for each family. `of` holds each one's chain."""
    chains = list(chains)
    for family in sorted({one.family for one in (*chains, *of)}):
        text = []
        for table in sorted({one.table for one in (*chains, *of) if one.family == family}):
            text += [
                f"*{table}",
                *(f":{c.name} - [0:0]" for c in chains if (c.family, c.table) == (family, table)),
            ]
            text += [
                c for c, at in zip(commands, of, strict=True) if (at.family, at.table) == (family, table)
            ]
            text.append("COMMIT")
        tool = f"{TOOLS[family]}-restore"
        done = _run([tool, "--noflush", f"--wait={LOCK_WAIT}"], "\n".join([*text, ""]))
        _raise_for(done, f"{tool} of {'; '.join(text)}")


def _succeeds(family: int, *words: str) -> bool:
    done = _tool(family, list(words))
    if done.returncode == EXIT_BUSY:
        _raise_for(done, f"{TOOLS[family]} {' '.join(words)}")
    return done.returncode == 0


def _tool(family: int, words: list[str]) -> subprocess.CompletedProcess[str]:
    return _run([TOOLS[family], f"--wait={LOCK_WAIT}", *words], None)


def _run(command: list[str], text: str | None) -> subprocess.CompletedProcess[str]:
    import subprocess

    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise MissingTool(f"{command[0]} is not on this machine; install iptables") from error
    except subprocess.TimeoutExpired as error:
        raise Busy(f"{command[0]} did not come back in 60 s") from error


def _raise_for(done: subprocess.CompletedProcess[str], asked: str) -> None:
    if done.returncode == EXIT_BUSY:
        raise Busy(f"{asked}: the xtables lock was held for {LOCK_WAIT} s")
    if done.returncode != 0:
        raise KernelError(0, asked, done.stderr.strip())


def _quoted(word: str) -> str:
    """Quote a word for iptables-restore: double quotes, with backslashes before inner ones."""
    if word and not any(c in word for c in ' "\\'):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
