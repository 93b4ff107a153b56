"""Logs in the CRI's format, read; and files that are rotated while they are followed."""

from __future__ import annotations

import os
import select
from pathlib import Path
from threading import Thread

import pytest

from pod_runner.supervisor.logs import LogFile
from podwire.cluster.log_lines import Entry, Wanted, Writer, last_lines, parse_entry
from podwire.cluster.log_reading import RunEnd, follow_log, has_ended, print_log
from tests.cli.cluster.bodies_of import RUNS, container, ended, waiting

NOW = 1_795_000_000.25


def entries(*texts: str) -> list[Entry]:
    """Return entries of the second each; a text that ends with a star is no whole line."""
    times = [f"2026-11-18T11:06:{40 + i}.000000000Z".encode() for i in range(len(texts))]
    return [
        Entry(time, b"stdout", not one.endswith("*"), one.removesuffix("*").encode())
        for time, one in zip(times, texts, strict=True)
    ]


def printed(found: list[Entry], wanted: Wanted) -> bytes:
    return Writer(wanted).printed(last_lines(found, wanted))


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (b"T stdout F text of it", Entry(b"T", b"stdout", True, b"text of it")),
        (b"T stderr P ", Entry(b"T", b"stderr", False, b"")),
        (b"T stdout F", Entry(b"T", b"stdout", True, b"")),
        (b"T stdout F:more x", Entry(b"T", b"stdout", True, b"x")),
        (b"T stdin F x", None), (b"T stdout X x", None), (b"half", None), (b"", None),
    ],
)  # fmt: skip
def test_an_entry_is_read(line: bytes, entry: Entry | None) -> None:
    assert parse_entry(line) == entry


def test_parts_of_a_line_are_one_line() -> None:
    found = entries("a", "b*", "c", "d")
    assert printed(found, Wanted()) == b"a\nbc\nd\n"
    assert printed(found, Wanted(tail=2)) == b"bc\nd\n"
    assert printed(found, Wanted(tail=0)) == b""
    assert (
        printed(found, Wanted(tail=1, prefix=b"[x] ", has_times=True))
        == b"[x] 2026-11-18T11:06:43.000000000Z d\n"
    )


def test_what_is_too_old_or_of_the_other_stream_is_left_out() -> None:
    found = entries("a", "b", "c")
    assert printed(found, Wanted(since=1_795_000_001.0)) == b"b\nc\n"
    assert printed(found, Wanted(stream="stderr")) == b""


def test_all_of_a_rotated_log_is_printed(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", size_limit=100)
    for number in range(9):
        log.write("stdout", f"line {number}\n".encode(), NOW)
    log.close()
    assert (tmp_path / "0.log.1").exists()
    said: list[bytes] = []
    print_log(tmp_path / "0.log", Wanted(), said.append)
    assert b"".join(said).split(b"\n")[-4:-1] == [b"line 6", b"line 7", b"line 8"]


class Ending:
    """Ends when it is told to."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fileno(self) -> int:
        return self.reading


def test_a_log_is_followed_from_before_it_is_there_and_over_its_rotation(tmp_path: Path) -> None:
    path, end = tmp_path / "pod/main/0.log", Ending()
    told, tell = os.pipe()
    follower = Thread(target=follow_log, args=(path, Wanted(), lambda data: os.write(tell, data), end))
    follower.start()
    log = LogFile(path, size_limit=200)
    read = b""
    for number in range(40):
        log.write("stdout", b"line %d\n" % number, NOW)
        while b"line %d\n" % number not in read:  # the follower has read it before the file is rotated away
            assert select.select([told], [], [], 10)[0], read
            read += os.read(told, 4096)
    os.close(end.writing)
    follower.join(10)
    log.close()
    for descriptor in (told, tell, end.reading):
        os.close(descriptor)
    assert not follower.is_alive()
    assert read == b"".join(b"line %d\n" % number for number in range(40))


def test_without_a_supervisor_nothing_more_comes(tmp_path: Path) -> None:
    end = RunEnd(tmp_path / "none.sock", "main", 0)
    assert select.select([end.fileno()], [], [], 10)[0]


def test_a_run_is_over_when_it_ended_or_another_began() -> None:
    assert not has_ended({"containerStatuses": [container(RUNS)]}, "main", 0)
    assert has_ended({"containerStatuses": [container(RUNS, restartCount=1)]}, "main", 0)
    assert has_ended({"containerStatuses": [container(ended(0))]}, "main", 0)
    assert not has_ended({"containerStatuses": [container(waiting("ContainerCreating"))]}, "main", 0)
    assert not has_ended({}, "main", 0)
