"""The command line, from its arguments to what it prints and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.models.installing import install_model

CONFORMANCE = [sys.executable, "-m", "conformance"]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a folder with a good interface plugin."""
    folder = tmp_path / "bin"
    folder.mkdir()
    install_model(folder, "judge-veth")
    return folder


def conformance(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([*CONFORMANCE, *words], capture_output=True, text=True, check=False)


def test_a_plugin_that_keeps_the_clauses_passes(models: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = conformance("plugin", "--cni-path", models, "--clause", "12", "42", "--report", report)

    assert done.returncode == 0, done.stderr
    assert "judge-veth, CNI 1.1.0: 2 of 2 clauses" in done.stdout
    assert {one.name for one in report.iterdir()} == {"report.json", "junit.xml", "report.html"}


def test_a_failure_is_told_with_its_sentence_and_the_command_that_runs_it_again(tmp_path: Path) -> None:
    (tmp_path / "judge-veth").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "judge-veth").chmod(0o755)
    done = conformance("plugin", "--cni-path", tmp_path, "--clause", "42")
    again = next(line for line in done.stdout.splitlines() if "again: " in line).partition("again: ")[2]

    assert done.returncode == 1
    assert "FAILED judge-veth, clause 42 (must" in done.stdout
    assert again == f"python -m conformance plugin --cni-path {tmp_path} --type judge-veth --clause 42"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("plugin", "--cni-path", "/nowhere"), "/nowhere is no folder"),
        (("plugin", "--cni-path", "/usr/share"), "no plugin to judge in /usr/share"),
        (("plugin", "--cni-path", "/usr/bin", "--type", "true"), "there is no profile for 'true'"),
        (("plugin", "--cni-path", "/usr/bin", "--clause", "400"), "there is no clause '400'"),
        (("plugin", "--cni-path", "/usr/bin", "--level", "hard"), "there is no level 'hard'"),
        (("plugin", "--cni-path", "/usr/bin", "--config", "/etc/passwd"), "/etc/passwd: "),
        (("runtime", "--command", "cnitool add"), "a command has {verb}"),
        (("runtime", "--profile", "none-such"), "no profile that ships"),
        (("explain", "0"), "there is no clause '0'"),
        (("compare", "/etc/passwd", "/etc/passwd"), "/etc/passwd is no report"),
        (("profile", "example", "none-such"), "no profile of 'none-such' ships"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_status_2(words: tuple[str, ...], sentence: str) -> None:
    done = conformance(*words)

    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.startswith("conformance: ") and sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_is_not_root_is_told_what_to_do() -> None:
    words = ["unshare", "-U", *CONFORMANCE, "plugin", "--cni-path", "/usr/bin"]  # nobody there is root
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 2 and "root alone can make: use sudo" in done.stderr


def test_a_clause_is_explained_with_its_mutant() -> None:
    said = conformance("explain", "12").stdout

    assert said.startswith("12. ") and "must, section 2, ADD" in said and "A plugin that breaks it:" in said


def test_the_list_has_every_number_of_the_specification() -> None:
    listed = json.loads(conformance("list", "--output", "json").stdout)

    assert [one["id"] for one in listed if one["id"].isdigit()] == [str(number) for number in range(1, 88)]
    assert all(one["text"] and one["title"] and one["section"] for one in listed)


def test_a_profile_is_begun_checked_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    first, second = (conformance("init", "mine", "--file", path) for _ in range(2))

    assert first.returncode == 0 and second.returncode == 2
    assert conformance("profile", "check", path).stdout == f"{path}: a profile of mine, interface\n"


def test_two_reports_are_compared(models: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    conformance("plugin", "--cni-path", models, "--clause", "42", "--json", good)
    (models / "judge-veth").write_text("#!/bin/sh\nexit 3\n")
    conformance("plugin", "--cni-path", models, "--clause", "42", "--json", bad)

    assert conformance("compare", good, good).returncode == 0
    worse = conformance("--compare", good, bad)
    assert worse.returncode == 1 and "judge-veth 42: passed -> failed" in worse.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_what_was_judged_and_nothing_that_runs(
    number: signal.Signals, tmp_path: Path
) -> None:
    mark = tmp_path / "begun"
    plugin = tmp_path / "judge-veth"
    plugin.write_text(
        f'#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && {{ echo $$ > {mark}; exec sleep 600; }}\nexit 1\n'
    )
    plugin.chmod(0o755)
    words = ["plugin", "--cni-path", str(tmp_path), "--clause", "42", "19", "--jobs", "1"]
    running = subprocess.Popen(
        [*CONFORMANCE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline, "the second clause did not begin"
        time.sleep(0.01)  # between two looks
    os.killpg(running.pid, number)
    said, _ = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "interrupted" in said and "clause 42" in said
    assert not _sleepers(plugin)


def _sleepers(plugin: Path) -> list[Path]:
    """Return the processes that were started with the plugin's folder in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = path.read_bytes()
        except OSError:  # it has just ended
            continue
        if str(plugin.parent).encode() in text and b"CNI_COMMAND=ADD" in text:
            found.append(path)
    return found


def test_the_suites_own_test_writes_its_table(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    done = conformance("self-test", "--clause", "42", "82", "--table", table)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" cells, 0 wrong\n")
    rows = [line for line in table.read_text().splitlines() if line.startswith("| `")]
    assert {row.split("|")[2].strip() for row in rows} == {
        "judge-veth",
        "judge-label",
        "judge-ipam",
        "judge-runtime",
    }
    assert all("(not promised" not in row for row in rows)


def test_the_suites_own_test_keeps_the_time_limit() -> None:
    done = conformance("self-test", "--mutant", "20-second-time", "--clause", "20", "--time-limit", "0.001")

    assert done.returncode == 1, done.stderr
    assert "the good one (judge-veth) was caught by clause 20" in done.stdout
    assert "it was not done after 0.001 s" in done.stdout


def test_a_mutant_that_is_executed_is_caught_as_well() -> None:
    done = conformance("self-test", "--mutant", "20-second-time", "--clause", "20", "--executed")

    assert done.returncode == 0, done.stdout + done.stderr
