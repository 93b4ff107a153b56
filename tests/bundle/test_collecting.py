"""No part takes longer, or is larger, than it may; what fails says why."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from podwire.bundle import archive
from podwire.bundle.collecting import collect
from podwire.bundle.parts import Command, Document


def _command(*words: str, seconds: float = 10, limit: int = 1000) -> Command:
    return Command(words, "part.txt", seconds, limit)


def test_what_a_command_prints_is_kept() -> None:
    assert collect(_command("echo", "hello"), {}).text == "hello\n"


def test_an_endless_output_is_cut_off() -> None:
    seen = collect(_command("yes"), {})

    assert len(seen.text) == 1000 and seen.problem == "only the first 1000 bytes"


@pytest.mark.parametrize("script", ["sleep 60", "echo before; exec sleep 60", "sleep 60 & echo before"])
def test_a_command_that_hangs_is_ended(script: str) -> None:
    began = time.monotonic()
    seen = collect(
        _command(sys.executable, "-c", f"import os; os.execvp('sh', ['sh', '-c', {script!r}])", seconds=0.5),
        {},
    )

    assert time.monotonic() - began < 10 and seen.problem == "it took more than 0.5 s"
    assert seen.text == ("before\n" if "before" in script else "")


def test_a_failure_keeps_what_was_said() -> None:
    seen = collect(_command("sh", "-c", "echo out; echo why >&2; exit 3"), {})

    assert (seen.text, seen.problem) == ("out\n", "status 3: why")


def test_a_missing_tool_is_named() -> None:
    assert collect(_command("no-such-tool"), {}).problem == "no-such-tool is not on this machine"


def test_commands_see_little_of_the_environment() -> None:
    seen = collect(_command("env"), {"ETCD_PASSWORD": "x", "PODWIRE_SOCKET": "/s"})

    assert "PODWIRE_SOCKET=/s" in seen.text and "ETCD_PASSWORD" not in seen.text


def test_files_are_cut_off_at_either_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a" * 1000 + "b" * 1000)

    assert collect(Document(path, "log", limit=1000), {}).text == "a" * 1000
    assert collect(Document(path, "log", from_the_end=True, limit=1000), {}).text == "b" * 1000


def test_a_pipe_in_a_files_place_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")

    assert "no regular file" in collect(Document(tmp_path / "log", "log"), {}).problem


def test_files_of_the_kernel_are_read_to_their_end() -> None:
    path = Path("/proc/sys/net/ipv4/ip_forward")

    assert collect(Document(path, "x", limit=4 << 20), {}).text == path.read_text()


def test_a_person_hears_what_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PATIENCE", 0.05)
    told: list[str] = []
    parts = [_command("sleep", "0.1"), _command("echo", "after")]
    entries = archive.write_bundle(tmp_path / "out.tar.gz", parts, {}, told.append)

    assert told == ["collecting echo after"] and not any(entry.problem for entry in entries)


def test_an_archive_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archive, "PATIENCE", 0.0)
        archive.write_bundle(tmp_path / "out.tar.gz", [_command("true")], {}, interrupt)
    assert not list(tmp_path.iterdir())
