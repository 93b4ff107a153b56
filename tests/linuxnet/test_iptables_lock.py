"""The lock that users of legacy iptables share: while others hold it, nothing is known and nothing done."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linuxnet.errors import Busy
from linuxnet.iptables import Chain, RemoveRules, Rule, Rules, chain_exists, rule_exists
from linuxnet.kernel import Kernel
from tests.calls import run

LOCK = Path("/run/xtables.lock")  # XT_LOCK_NAME, iptables/xshared.h
OWN = Chain(4, "nat", "CNI-0")
RULE = Rule(OWN, ("-d", "10.88.0.0/24", "-j", "ACCEPT"))


@pytest.fixture
def legacy(host: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make legacy iptables the host's, with a lock that this process tree alone sees; return its folder."""
    program = shutil.which("xtables-legacy-multi", path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip("xtables-legacy-multi is not on this machine")
    for name in ("iptables", "iptables-restore", "iptables-save"):
        (tmp_path / name).symlink_to(program)
    if subprocess.run([tmp_path / "iptables", "-L"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no legacy iptables")
    monkeypatch.setattr("linuxnet.iptables.SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr("linuxnet.iptables.LOCK_WAIT", 1)
    (tmp_path / "lock").touch()
    run(["mount", "--bind", str(tmp_path / "lock"), str(LOCK)])
    yield tmp_path
    run(["umount", str(LOCK)])


def test_a_held_lock_is_no_answer_and_loses_nothing(legacy: Path) -> None:
    with Kernel() as kernel:
        Rules((OWN,), (RULE,)).apply(kernel)
        made = _rules(legacy)
        assert "-A CNI-0 -d 10.88.0.0/24 -j ACCEPT" in made
        with LOCK.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(Busy):
                rule_exists(RULE)
            with pytest.raises(Busy):
                chain_exists(OWN)
            with pytest.raises(Busy):
                Rules((OWN,), (RULE,)).apply(kernel)
            with pytest.raises(Busy):
                RemoveRules((OWN,), (RULE,)).apply(kernel)
            assert _rules(legacy) == made
        RemoveRules((OWN,), (RULE,)).apply(kernel)
        assert "CNI-0" not in _rules(legacy)


def _rules(tools: Path) -> str:
    """Return the rules without comments, which hold the time; iptables-save takes no lock."""
    lines = run([str(tools / "iptables-save")]).splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))
