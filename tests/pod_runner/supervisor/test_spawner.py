"""What forks supervisors, where the agent that asks is killed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pod_runner.supervisor.forking import serve


def test_a_spawner_ends_quietly_when_its_agent_was_killed_before_the_answer(tmp_path: Path) -> None:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(os.fsencode(tmp_path / "nothing"))
    ours.close()
    with its:
        serve(its.fileno())
    _, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 1, "there is no such folder"
