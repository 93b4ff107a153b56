"""kubectl's words on a lab: from outside of it, and from one of its nodes."""

from __future__ import annotations

import json

from podwire.demo.plugin_folder import PODWIRE
from tests.lab.conftest import DEADLINE, Machine

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: told}
data: {text: from a file}
---
apiVersion: v1
kind: Pod
metadata: {name: talk, labels: {app: talk}, annotations: {podwire.io/network: none}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: host
    command: [sh, -c, 'echo said; exec sleep 1000']
"""


def podwire(machine: Machine, *words: str) -> str:
    return machine.world.run([*PODWIRE, *words], timeout=DEADLINE)


def test_a_lab_is_found_and_entered(machine: Machine) -> None:
    before = machine.dump()
    machine.lab("up", "--nodes", "1", "--pods", "0")
    machine.world.path("/run/talk.yaml").write_text(MANIFEST)  # in a folder that the lab has of its own
    applied = podwire(machine, "apply", "-f", "/run/talk.yaml")
    assert applied == "configmap/told created\npod/talk created\n"
    podwire(machine, "wait", "pod/talk", "--for", "condition=Ready", "--lab", "lab")
    assert podwire(machine, "logs", "talk") == "said\n"
    assert podwire(machine, "exec", "talk", "--", "hostname") == "talk\n"
    asked = [*PODWIRE, "run", "once", "--rm", "-i", "--host-network", "--", "sh", "-c", "cat; exit 3"]
    ran = machine.world.attempt(asked, timeout=DEADLINE, stdin=b"typed\n")
    assert (ran.returncode, ran.stdout) == (3, b"typed\n")
    inside = machine.lab("exec", "node1", "--", "podwire", "get", "pods", "-o", "json")
    assert [one["metadata"]["name"] for one in json.loads(inside)["items"]] == ["talk"]
    podwire(machine, "delete", "pod", "talk")
    machine.lab("down")
    machine.world.path("/run/talk.yaml").unlink()
    assert machine.dump() == before
