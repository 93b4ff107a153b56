"""Logs, statuses, back-off and state: what is written, and read again."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pod_runner.supervisor.lines import BadLine, Lines
from pod_runner.supervisor.logs import LogFile, format_entries
from pod_runner.supervisor.restarts import BackOff, is_restarted
from pod_runner.supervisor.state import ContainerRecord, PodRecord, encode_state, read_state, write_whole
from pod_runner.supervisor.status import (
    ContainerStatus,
    PodFacts,
    Running,
    Terminated,
    Waiting,
    phase,
    pod_status,
)

NOW = 1_767_225_600.5  # 2026-01-01T00:00:00.5Z
RUNS = ContainerStatus("a", "i", Running(NOW), ready=True, started=True)
WELL = ContainerStatus("a", "i", Terminated(0, "Completed", NOW, NOW), is_done=True)
ILL = replace(WELL, state=Terminated(1, "Error", NOW, NOW))
WAITS = ContainerStatus("a", "i")
CRASHES = replace(WAITS, state=Waiting("CrashLoopBackOff"), last=Terminated(1, "Error", NOW, NOW))


def test_entries_are_the_cris() -> None:
    assert format_entries("stdout", b"one\ntwo", NOW) == (
        b"2026-01-01T00:00:00.500000000Z stdout F one\n2026-01-01T00:00:00.500000000Z stdout P two\n"
    )


@given(st.lists(st.binary(max_size=50)))
def test_what_was_written_can_be_put_together_again(chunks: list[bytes]) -> None:
    entries = b"".join(format_entries("stderr", one, NOW) for one in chunks)
    texts = [line.split(b" ", 3)[2:] for line in entries.split(b"\n")[:-1]]
    assert b"".join(text + (b"\n" if tag == b"F" else b"") for tag, text in texts) == b"".join(chunks)


def test_a_full_log_is_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a" / "0.log", size_limit=100, files_limit=3)
    for number in range(9):
        log.write("stdout", b"%d" % number * 60 + b"\n", NOW)
    log.close()
    kept = {path.name: path.read_text().split()[-1][0] for path in (tmp_path / "a").iterdir()}
    assert kept == {"0.log": "8", "0.log.1": "7", "0.log.2": "6"}


def test_lines_that_cannot_be_written_are_counted_and_reported(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.touch()  # no folder can be made here
    log = LogFile(folder / "0.log")
    log.write("stdout", b"1\n2\n3\n", NOW)
    assert log.dropped == 3
    folder.unlink()
    log.write("stdout", b"4\n", NOW)
    log.close()
    said = [line.split(" ", 3)[3] for line in (folder / "0.log").read_text().splitlines()]
    assert said == ["podwire: 3 lines before were dropped: File exists", "4"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "0.log").symlink_to(tmp_path / "target")
    log = LogFile(tmp_path / "0.log")
    log.write("stdout", b"1\n", NOW)
    assert (tmp_path / "target").read_bytes() == b"" and log.dropped == 1


def test_the_back_off_is_kubelets() -> None:
    delays: list[float | None] = [None]
    for _ in range(8):
        delays.append(BackOff().next(delays[-1], 1.0))
    assert delays[1:] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert BackOff().next(300.0, 600.0) == 0, "a long run is forgiven"


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_policies(policy: str, code: int, expected: bool) -> None:
    assert is_restarted(policy, code) is expected


@pytest.mark.parametrize(
    ("containers", "init", "expected"),
    [
        ((WAITS,), (), "Pending"),
        ((RUNS,), (), "Running"),
        ((RUNS, WAITS), (), "Pending"),
        ((RUNS, ILL), (), "Running"),
        ((CRASHES,), (), "Running"),
        ((WELL, WELL), (), "Succeeded"),
        ((WELL, ILL), (), "Failed"),
        ((WAITS,), (RUNS,), "Pending"),
        ((WAITS,), (WELL,), "Pending"),
        ((WAITS,), (ILL,), "Failed"),
        ((RUNS,), (replace(RUNS, is_sidecar=True),), "Running"),
    ],
)
def test_the_phase_is_kubelets(
    containers: tuple[ContainerStatus, ...], init: tuple[ContainerStatus, ...], expected: str
) -> None:
    assert phase(PodFacts(containers, init)) == expected


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = pod_status(PodFacts((WAITS,)), NOW)
    second = pod_status(PodFacts((RUNS,)), NOW + 60, first)
    times = {one["type"]: one["lastTransitionTime"][14:19] for one in second["conditions"]}  # type: ignore[attr-defined]
    assert times["Initialized"] == "00:00" and times["Ready"] == "01:00"


def test_a_pod_that_is_stopped_is_not_ready() -> None:
    status = pod_status(PodFacts((RUNS,), is_stopping=True), NOW)
    held = {one["type"]: one["status"] for one in status["conditions"]}  # type: ignore[attr-defined]
    assert held["Ready"] == "False" and held["ContainersReady"] == "True"


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = PodRecord(3, 4, "net", ("10.0.0.1",), NOW, None, True)
    record.containers["a"] = ContainerRecord(5, 6, 1, 10.0, Running(NOW), Terminated(1, "Error", NOW, NOW))
    record.container("b")
    write_whole(tmp_path / "state.json", encode_state(record))
    assert read_state(tmp_path) == record
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_any_spoilt_state_is_an_empty_one(body: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for text in (
            json.dumps(body),
            json.dumps({"containers": body, "addresses": []}),
            json.dumps({"pause": body}),
        ):
            Path(folder, "state.json").write_text(text)
            assert isinstance(read_state(Path(folder)), PodRecord)


def test_a_conversation_carries_descriptors_and_refuses_what_is_no_line() -> None:
    ours, theirs = (Lines(one) for one in socket.socketpair())
    reader, writer = os.pipe()
    ours.send({"a": 1}, [writer])
    ours.send({"b": 2})
    assert (theirs.receive(), theirs.receive()) == ({"a": 1}, {"b": 2})
    (taken,) = theirs.take_descriptors()
    os.write(taken, b"x")
    assert os.read(reader, 1) == b"x"
    for descriptor in (reader, writer, taken):
        os.close(descriptor)
    ours.connection.sendall(b"[" * 50_000 + b"\n")
    with pytest.raises(BadLine):
        theirs.receive()
    ours.close()
    theirs.close()
