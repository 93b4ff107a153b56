"""The pytest plugin: an item per plugin and clause, by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.models.installing import install_model

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made as root")


def judged(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "conformance.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--cni-path", str(folder), "-v", "-rs", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_item_for_each_clause_and_a_skip_where_it_says_nothing(tmp_path: Path) -> None:
    install_model(tmp_path, "judge-veth")
    done = judged(tmp_path, "--cni-clause", "42", "--cni-clause", "54", "--cni-type", "judge-veth")

    assert done.returncode == 0, done.stdout
    assert "judge-veth[42: " in done.stdout and "1 passed, 1 skipped" in done.stdout
    assert "not applicable: it is about plugins of the kind ipam" in done.stdout


def test_a_failure_is_the_sentence_the_clause_and_the_steps(tmp_path: Path) -> None:
    (tmp_path / "judge-veth").write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    (tmp_path / "judge-veth").chmod(0o755)
    done = judged(tmp_path, "--cni-clause", "42")

    assert done.returncode == 1
    assert "env -i" in done.stdout and "-> exit 3, stderr: broken" in done.stdout
    assert "Traceback" not in done.stdout and "judging.py" not in done.stdout


@pytest.mark.parametrize("words", [("--cni-clause", "400"), ("--cni-level", "hard"), ("--cni-type", "none")])
def test_a_wrong_option_is_an_error_of_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    install_model(tmp_path, "judge-veth")

    assert judged(tmp_path, *words).returncode == 4
