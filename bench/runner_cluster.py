"""A deployment in a lab of three nodes: from `podwire apply` until all its replicas are ready."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.report import Row
from bench.runner_peers import timed
from podwire.demo.plugin_folder import PODWIRE

NODES, REPLICAS = 3, 20
NAME = "bench"
DEPLOYMENT = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: many}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: many}}}}
  template:
    metadata: {{labels: {{app: many}}}}
    spec:
      containers: [{{name: main, image: host, command: [sleep, "1000000"]}}]
"""
PATIENCE = 60  # seconds


def deployment_rows(say: Callable[[str], None]) -> list[Row]:
    """Return the row."""
    say(f"a deployment of {REPLICAS} in a lab of {NODES} nodes")
    with tempfile.TemporaryDirectory(prefix="bench-runner-") as folder:
        file = Path(folder, "many.yaml")
        file.write_text(DEPLOYMENT)
        _podwire("lab", "up", "--nodes", str(NODES), "--name", NAME)
        try:
            took = timed(lambda: _roll_out(file))
        finally:
            _podwire("lab", "down", "--name", NAME)
    return [Row(f"podwire apply: {REPLICAS} replicas ready on {NODES} nodes", "s", took / 1000)]


def _roll_out(file: Path) -> None:
    _podwire("apply", "--lab", NAME, "-f", str(file))
    _podwire("rollout", "status", "--lab", NAME, "deployment/many", f"--timeout={PATIENCE}s")


def _podwire(*words: str) -> None:
    done = subprocess.run(
        [*PODWIRE, *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(f"podwire {' '.join(words)}: {done.stderr.strip()}{done.stdout.strip()}")
