"""Runtimes of others judged: what they are found to do otherwise is what is known of them, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.clause import Clause
from conformance.running.verdict import Outcome
from conformance.runtime.catalogue import RUNTIME_CLAUSES
from conformance.runtime.judging import RuntimeTask, judge
from conformance.runtime.profile import RuntimeProfile, shipped_runtime_profiles
from tests.clients import libcni
from tests.clients.harness import need
from tests.rounds import rounds

pytestmark = pytest.mark.clients

PROFILES = shipped_runtime_profiles()
VERSION = "1.0.0"  # the newest of Debian 12's libcni (1.1.2), which is in all three
# docs/conformance-runtimes.md has each with the shortest way to see it
KNOWN = {"libcni": {"64", "74", "78"}, "ctr": {"84"}, "podman": {"64"}}
AT_TIMES = {
    "ctr": frozenset[str](),
    "podman": frozenset(("70",)),
}  # which of its processes asks for DEL is chance
SAMPLE = ("59", "64", "66", "67", "70", "79", "84")  # a case of ctr and podman takes a second
ALL = tuple(clause.id for clause in RUNTIME_CLAUSES)
NIGHT = rounds(1) >= 5


def found(profile: RuntimeProfile, ids: tuple[str, ...]) -> dict[str, str]:
    """Return the clauses that a runtime fails, with the reasons; none may be left without a judgement."""
    chosen: list[Clause] = [clause for clause in RUNTIME_CLAUSES if clause.id in ids]
    known = replace(profile, version=VERSION)
    verdicts = [judge(RuntimeTask(known, clause)) for clause in chosen]
    assert [one.reason for one in verdicts if one.outcome is Outcome.NOT_JUDGED] == []
    return {one.clause: one.reason for one in verdicts if one.outcome is Outcome.FAILED}


def test_libcni_alone() -> None:
    if reason := libcni.missing():
        pytest.skip(reason)
    tool = str(libcni.build())
    commands = {verb: (tool, *line[1:]) for verb, line in PROFILES["cnitool"].commands.items()}
    failed = found(replace(PROFILES["cnitool"], commands=commands), ALL)
    assert set(failed) == KNOWN["libcni"], failed


@pytest.mark.parametrize(
    ("name", "tools"),
    [("ctr", ("containerd", "ctr", "runc", "busybox")), ("podman", ("podman", "conmon", "crun", "busybox"))],
)
def test_a_container_manager(name: str, tools: tuple[str, ...]) -> None:
    need(*tools)
    ids = ALL if NIGHT else SAMPLE
    failed = found(PROFILES[name], ids)
    assert set(failed) - AT_TIMES[name] == KNOWN[name] & set(ids), failed
    homes = Path("/sys/fs/cgroup").rglob("conformance-*")
    assert list(homes) == []
