"""The layer law: imports only point down (`pyproject.toml`, [tool.importlinter])."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "cni_spec", "linuxnet", "cluster_store", "ipam", "overlay", "service_proxy", "cni_plugins", "pod_runner",
    "podwire", "conformance",
)  # fmt: skip


def test_imports_only_point_down() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_init_imports_nothing_and_is_a_map(room: str) -> None:
    for init in (ROOT / room).rglob("__init__.py"):
        text = init.read_text()
        assert text.startswith('"""'), init
        assert "import " not in text.partition('"""')[2].partition('"""')[2], init
