"""Labs of one name on machines inside the machine, which share its tree of cgroups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from podwire.lab.blueprint import Blueprint
from podwire.lab.finding import MARK, machine_of, mark

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes mount namespaces: run as root")


def test_each_mount_namespace_has_cgroups_of_its_own() -> None:
    program = "from podwire.lab.finding import machine_of; print(machine_of())"
    command = ["unshare", "--mount", sys.executable, "-c", program]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    here = machine_of()
    assert here == Path("/proc/self/ns/mnt").readlink().name[5:-1]  # tests run in one of their own
    assert there and there != here
    paths = {Blueprint(machine=one).cgroup("node1") for one in (here, there, "")}
    assert paths == {
        f"/podwire/lab-lab@{here}/node1",
        f"/podwire/lab-lab@{there}/node1",
        "/podwire/lab-lab/node1",
    }


def test_who_takes_a_lab_down_knows_from_its_processes_where_its_cgroups_are() -> None:
    for value, expected in ((mark("lab", "node1"), machine_of()), ("lab/@mnt:[7]", "7")):
        one = subprocess.Popen(["sleep", "100"], env={MARK: value, "PATH": os.environ["PATH"]})
        try:
            assert machine_of(one.pid) == expected
        finally:
            one.kill()
            one.wait()
