"""`podwire pod`: a pod by hand, from its manifest to its end, and what is collected after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.removing import holder
from pod_runner.node.supervisors import is_running
from pod_runner.supervisor.state import read_state

MANIFEST = """apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: host, command: [/bin/sleep, "1000"]}
"""
Podwire = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def podwire(tmp_path: Path, host: None) -> Iterator[Podwire]:
    parent = f"/podwire-test-pod-{os.getpid()}"
    folders = (
        f'{key} = "{tmp_path / key}"'
        for key in ("pods", "images", "volumes", "logs", "cni_cache", "conf_dir")
    )
    (tmp_path / "agent.toml").write_text("\n".join(["[runner]", f'cgroup_parent = "{parent}"', *folders]))

    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "podwire",
            "pod",
            *map(str, words),
            "--config",
            str(tmp_path / "agent.toml"),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    yield call
    Cgroups.detect().remove(parent)


def listed(podwire: Podwire) -> list[dict[str, Any]]:
    done = podwire("list", "-o", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_pod_by_hand_runs_is_supervised_again_after_a_kill_and_ends(
    podwire: Podwire, tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text(MANIFEST)
    started = podwire("run", tmp_path / "pod.yaml")
    assert started.returncode == 0 and "Running" in started.stdout, started.stderr
    second = podwire("run", tmp_path / "pod.yaml")
    assert second.returncode == 1 and "podwire pod stop default/hello" in second.stderr
    (folder,) = (tmp_path / "pods").iterdir()
    process = read_state(folder).container("main").pid

    os.kill(holder(folder), signal.SIGKILL)
    (shown,) = listed(podwire)
    assert not shown["supervised"]
    rehearsed = podwire("gc", "--dry-run", "-o", "json")
    assert json.loads(rehearsed.stdout)["supervised"] == [folder.name] and holder(folder) == 0
    done = json.loads(podwire("gc", "-o", "json").stdout)
    assert done["supervised"] == [folder.name] and done["removed"] == []
    (shown,) = listed(podwire)
    assert shown["supervised"] and read_state(folder).container("main").pid == process

    ended = podwire("stop", "hello")
    assert ended.returncode == 0, ended.stderr
    assert listed(podwire) == [] and not folder.exists() and not is_running(process)
    assert json.loads(podwire("gc", "-o", "json").stdout)["removed"] == []


def test_what_cannot_be_run_is_named_by_line(podwire: Podwire, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(MANIFEST.replace("image: host", "imagge: host"))
    done = podwire("run", bad)
    assert done.returncode == 1 and f"{bad}:8:" in done.stderr and not (tmp_path / "pods").exists()
    nobody = podwire("stop", "nobody")
    assert nobody.returncode == 1 and "there is no pod 'nobody'" in nobody.stderr
