"""What forks supervisors, where the agent that asks is killed."""

from __future__ import annotations

import socket

from pod_runner.supervisor.forking import serve
from pod_runner.supervisor.lines import Lines


def test_a_spawner_ends_quietly_when_its_agent_was_killed_before_the_answer() -> None:
    ours, its = socket.socketpair()
    Lines(ours).send({"nothing": "that can be done"})
    ours.close()
    serve(Lines(its))
    its.close()
