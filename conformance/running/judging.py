"""One case: a child leaves the machine, its child judges in fresh namespaces; all ends with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from conformance.case import KNOWN_VERSIONS, Plugin, as_numbers, open_case
from conformance.clause import CannotJudge, Clause
from conformance.running.child import Steps, judge_in_child
from conformance.running.verdict import Outcome, Verdict
from conformance.world.looking import succeeds
from conformance.world.namespaces import furnish

Daemon = Callable[
    [Path], AbstractContextManager[object]
]  # begins what serves the plugins of one world; given its folder

ON_A_LINK = ("macvlan", "ipvlan", "vlan")  # kinds of links that are made on another


@dataclass(frozen=True)
class Task:
    """One clause on one plugin, spoken to in one CNI version ("" takes the newest that both know)."""

    plugin: Plugin
    clause: Clause
    cni_path: Sequence[Path]
    version: str = ""
    daemon: Daemon | None = None
    beside: Path | None = None  # another folder of plugins, which times are compared with
    slowest: float = 2  # times that a plugin may take as long as the other's

    @property
    def spoken(self) -> str:
        """Return the version that its configurations say."""
        return self.version or (self.plugin.versions[-1] if self.plugin.versions else KNOWN_VERSIONS[-1])


def judge(task: Task) -> Verdict:
    """Judge one clause on one plugin; the time limit is the clause's.

    Must be called from a process with no threads, as root.
    """
    reason = not_applicable(task)
    if reason:
        return Verdict(task.plugin.type, task.clause.id, Outcome.NOT_APPLICABLE, reason, (), 0)
    return judge_in_child(task.plugin.type, task.clause, lambda folder, steps: _judge(task, folder, steps))


def not_applicable(task: Task) -> str:
    """Return why a clause says nothing about a plugin, known before any call; "" where it does."""
    clause, profile = task.clause, task.plugin.profile
    if profile.kind not in clause.kinds:
        return f"it is about plugins of the kind {' or '.join(sorted(clause.kinds))}"
    if clause.id in profile.exempt:
        return profile.exempt[clause.id]
    newest = task.plugin.versions[-1] if task.plugin.versions else KNOWN_VERSIONS[-1]
    if as_numbers(newest) < as_numbers(clause.since):
        return f"it came with CNI {clause.since}; this plugin lists versions up to {newest}"
    return ""


def _judge(task: Task, folder: Path, steps: Steps) -> None:
    furnish(tuple(task.plugin.profile.private))
    _need_kernel(task.plugin.profile.kernel)
    with task.daemon(folder) if task.daemon else nullcontext():
        case = open_case(task.plugin, task.spoken, folder, task.cni_path)
        case.beside, case.slowest = task.beside, task.slowest
        try:
            task.clause.judge(case)
        finally:
            steps += [(step.what, step.seen) for step in case.steps]


def _need_kernel(kinds: Sequence[str]) -> None:
    """Try to make a link of each kind, on a veth where it needs a link below it."""
    for kind in kinds:
        succeeds("ip", "link", "add", "probe1", "type", "veth", "peer", "name", "probe2")
        below = ("link", "probe1") if kind in ON_A_LINK else ()
        more = {"vlan": ("id", "7"), "vrf": ("table", "77")}.get(kind, ())
        made = succeeds("ip", "link", "add", *below, "name", "probe0", "type", kind, *more)
        succeeds("ip", "link", "del", "probe0")
        succeeds("ip", "link", "del", "probe1")
        if not made:
            raise CannotJudge(f"this kernel makes no links of the type {kind}")
