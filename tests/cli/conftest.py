"""The command line as a person uses it: arguments in, text and exit status out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from podwire.main import app

Cli = Callable[..., Result]
NOBODY = 65534


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that runs `podwire` with its arguments."""
    for name in ("NETCONFPATH", "CNI_PATH", "CNI_ARGS", "CAP_ARGS", "CNI_IFNAME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(app, [str(one) for one in arguments], env=env, catch_exceptions=True)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


def said(result: Result) -> Any:
    """Return what a command printed as JSON."""
    return json.loads(result.stdout)


def run_as_nobody(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `podwire` as an ordinary user, in a process of its own; skip where that user may not read it."""
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    options |= {"capture_output": True, "text": True, "check": False, "env": {"PATH": os.environ["PATH"]}}
    python = [sys.executable, "-I", "-m", "podwire"]
    try:
        trial = subprocess.run([*python, "--version"], **options)
    except PermissionError as error:
        pytest.skip(f"an ordinary user cannot run this Python: {error}")
    if trial.returncode != 0:
        pytest.skip(f"an ordinary user cannot run podwire: {trial.stderr[-200:]}")
    return subprocess.run([*python, *map(str, arguments)], **options)
