"""`podwire pod`: a pod by hand, from its manifest to its end, and what is collected after a kill."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.removing import holder
from pod_runner.node.supervisors import is_running
from pod_runner.supervisor.state import read_state
from tests.cli.conftest import Cli
from tests.pod_runner.supervisor.world import until

MANIFEST = """apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: host, command: [/bin/sleep, "1000"]}
"""
Podwire = Callable[..., Result]


@pytest.fixture
def podwire(tmp_path: Path, host: None, cli: Cli) -> Iterator[Podwire]:
    parent = f"/podwire-test-pod-{os.getpid()}"
    keys = ("pods", "images", "volumes", "logs", "cni_cache", "conf_dir")
    folders = (f'{key} = "{tmp_path / key}"' for key in keys)
    (tmp_path / "agent.toml").write_text("\n".join(["[runner]", f'cgroup_parent = "{parent}"', *folders]))
    yield lambda *words: cli("pod", *words, "--config", tmp_path / "agent.toml")
    Cgroups.detect().remove(parent)


def listed(podwire: Podwire) -> list[dict[str, Any]]:
    done = podwire("list", "-o", "json")
    assert done.exit_code == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_pod_by_hand_runs_is_supervised_again_after_a_kill_and_ends(
    podwire: Podwire, tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text(MANIFEST)
    started = podwire("run", tmp_path / "pod.yaml")
    assert started.exit_code == 0 and "Running" in started.stdout, started.stderr
    second = podwire("run", tmp_path / "pod.yaml")
    assert second.exit_code == 1 and "podwire pod stop default/hello" in second.stderr
    (folder,) = (tmp_path / "pods").iterdir()
    process = read_state(folder).container("main").pid

    os.kill(holder(folder), signal.SIGKILL)
    until(lambda: not listed(podwire)[0]["supervised"])  # the worker dies with its keeper, a moment later
    rehearsed = podwire("gc", "--dry-run", "-o", "json")
    assert json.loads(rehearsed.stdout)["supervised"] == [folder.name] and holder(folder) == 0
    done = json.loads(podwire("gc", "-o", "json").stdout)
    assert done["supervised"] == [folder.name] and done["removed"] == []
    (shown,) = listed(podwire)
    assert shown["supervised"] and read_state(folder).container("main").pid == process

    ended = podwire("stop", "hello")
    assert ended.exit_code == 0, ended.stderr
    assert listed(podwire) == [] and not folder.exists() and not is_running(process)
    assert json.loads(podwire("gc", "-o", "json").stdout)["removed"] == []


def test_what_cannot_be_run_is_named_by_line(podwire: Podwire, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(MANIFEST.replace("image: host", "imagge: host"))
    done = podwire("run", bad)
    assert done.exit_code == 1 and f"{bad}:8:" in done.stderr and not (tmp_path / "pods").exists()
    nobody = podwire("stop", "nobody")
    assert nobody.exit_code == 1 and "there is no pod 'nobody'" in nobody.stderr


def test_a_pod_whose_network_cannot_be_had_is_not_waited_for_longer_than_asked(
    podwire: Podwire, tmp_path: Path
) -> None:
    (tmp_path / "conf_dir").mkdir()
    (tmp_path / "pod.yaml").write_text(MANIFEST.replace("hostNetwork: true", "hostNetwork: false"))
    begun = podwire("run", "--wait=3", tmp_path / "pod.yaml")
    assert begun.exit_code == 1
    assert "is Pending after 3 s" in begun.stderr and "there is no CNI network in" in begun.stderr
    assert podwire("stop", "hello").exit_code == 0 and listed(podwire) == []
