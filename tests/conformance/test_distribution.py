"""The suite alone: installed into an empty virtual environment, it judges a plugin of ten lines of shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import conformance

SOURCE = Path(conformance.__file__).parent
DOCUMENT = SOURCE.parent / "docs" / "conformance.md"
ALLOWED = {
    "pip",
    "setuptools",
    "podwire-conformance",
    "pytest",
    "pluggy",
    "iniconfig",
    "packaging",
    "Pygments",
}

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment that holds the suite and what pip brought with it."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip, source = folder / "venv" / "bin" / "pip", folder / "source"
    words = ["install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([pip, *words, source], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "Could not find a version" in done.stderr:
        pytest.skip("pip reaches no index, from which pytest and setuptools come")
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


def test_it_brings_pytest_and_nothing_else(installed: Path) -> None:
    listed = subprocess.run([installed / "pip", "list", "--format", "json"], capture_output=True, check=True)

    assert {one["name"] for one in json.loads(listed.stdout)} <= ALLOWED


def test_a_plugin_of_ten_lines_is_judged_so_that_its_author_understands(
    installed: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "bin" / "tenline"
    plugin.parent.mkdir()
    plugin.write_text(_ten_lines())
    plugin.chmod(0o755)
    (tmp_path / "tenline.json").write_text('{"kind": "interface", "ipam": "none"}')
    words = ["plugin", "--cni-path", "bin", "--config", "tenline.json", "--clause", "10", "20", "28", "42"]
    done = subprocess.run(
        [installed / "cni-conformance", *words, "--report", "report"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert "clause 20 (must, section 2, DEL)" in done.stdout
    assert "the second DEL of one interface failed: exit 1, stderr: Cannot find" in done.stdout
    assert "again: cni-conformance plugin --cni-path bin --config tenline.json --type tenline" in done.stdout
    assert "tenline, CNI 1.0.0: 2 of 4 clauses, 2 failed" in done.stdout
    assert len(list((tmp_path / "report").iterdir())) == 3


def test_pytest_finds_the_plugin_by_itself(installed: Path) -> None:
    done = subprocess.run(
        [installed / "pytest", "--help"], capture_output=True, text=True, check=True, cwd="/"
    )

    assert "--cni-path" in done.stdout


def _ten_lines() -> str:
    """Return the plugin as the documentation shows it."""
    found = re.search(r"```sh\n(#!/bin/sh\n.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]
