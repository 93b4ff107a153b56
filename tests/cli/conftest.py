"""The command line as a person uses it: arguments in, text and exit status out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from podwire.main import app

Cli = Callable[..., Result]


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
