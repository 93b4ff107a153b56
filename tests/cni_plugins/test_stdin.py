"""A configuration that cannot be read, as the executable itself meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = "from cni_plugins.skeleton import run; run('static')"


@pytest.mark.parametrize("closing", [False, True])
def test_stdin_that_cannot_be_read_is_an_io_failure(tmp_path: Path, closing: bool) -> None:
    """The answer is an error object with code 5, and no traceback (CNI 1.1.0 section 5)."""
    words = [sys.executable, "-c", RUN]
    with (tmp_path / "for-writing").open("wb") as unreadable:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" 0<&-', "sh", *words] if closing else words,
            stdin=unreadable,
            env=dict(os.environ) | {"CNI_COMMAND": "ADD", "PODWIRE_AGENT": "never"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=False,
        )
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 5)
    assert "stdin" in error["msg"]
    assert b"Traceback" not in done.stderr
