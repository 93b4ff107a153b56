"""The program as a whole: its commands, its switches, how it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from podwire.main import COMMANDS
from tests.cli.conftest import Cli

PODWIRE = [sys.executable, "-m", "podwire"]


def test_help_names_every_command(cli: Cli) -> None:
    said = cli("--help").stdout

    assert all(f" {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    result = cli(command, "--help")

    assert result.exit_code == 0 and "usage" in result.stdout.lower()


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("podwire 0.")


@pytest.mark.usefixtures("host")
def test_verbose_tells_what_the_kernel_is_asked() -> None:
    done = subprocess.run([*PODWIRE, "-v", "doctor"], capture_output=True, text=True, check=False)
    quiet = subprocess.run([*PODWIRE, "doctor"], capture_output=True, text=True, check=False)

    assert "podwire.kernel: link add" in done.stderr
    assert quiet.stderr == ""


def test_output_into_a_pipe_has_no_colours_and_a_closed_pipe_no_traceback() -> None:
    done = subprocess.run([*PODWIRE, "doctor"], capture_output=True, text=True, check=False)
    assert "\x1b" not in done.stdout

    reader, writer = os.pipe()
    os.close(reader)
    broken = subprocess.run(
        [*PODWIRE, "schema", "bridge"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert b"Traceback" not in broken.stderr


def test_a_command_imports_only_what_it_needs() -> None:
    code = (
        "import sys; import podwire.main; import podwire.commands.cni; "
        "print([name for name in ('pyroute2', 'rich', 'hypothesis') if name in sys.modules])"
    )
    before = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
    assert time.monotonic() - before < 10  # seconds; a generous bound for a busy machine
