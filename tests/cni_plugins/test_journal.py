"""The journal tells of every request, and never fails one."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from cni_plugins import journal

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_IFNAME": "eth0",
    "TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def _entry(msg: str = "", code: int = 0) -> journal.Entry:
    return journal.from_environment(
        ENVIRONMENT, plugin="bridge", network="net1", duration_ms=4.98765, code=code, msg=msg
    )


def test_an_entry_is_one_line_of_json_that_names_the_attachment() -> None:
    line = journal.to_line(_entry("line one\nline two", 7))

    said = json.loads(line)
    assert "\n" not in line
    assert said["verb"] == "ADD" and said["plugin"] == "bridge" and said["network"] == "net1"
    assert (said["container_id"], said["ifname"], said["duration_ms"]) == ("c1", "eth0", 4.988)
    assert (said["code"], said["msg"]) == (7, "line one\nline two")
    assert said["trace_parent"] == ENVIRONMENT["TRACEPARENT"]


def test_two_requests_have_two_ids() -> None:
    assert _entry().request_id != _entry().request_id


def test_a_file_gets_one_line_a_request(tmp_path: Path) -> None:
    log = tmp_path / "podwire.log"
    for _ in range(3):
        journal.record(_entry(), str(log))

    assert [json.loads(line)["verb"] for line in log.read_text().splitlines()] == ["ADD"] * 3


@pytest.mark.parametrize("where", ["/nowhere/at/all", "/dev/full", "/", "journald"])
def test_a_log_that_cannot_be_written_fails_nothing(where: str) -> None:
    journal.record(_entry(), where)


def test_a_pipe_nobody_reads_delays_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    journal.record(_entry(), str(tmp_path / "pipe"))


def test_journald_gets_one_datagram_of_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "JOURNALD_SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        journal.record(_entry("no\nsuch bridge" * 1000, 101), "journald")
        datagram = journald.recv(1 << 16, socket.MSG_DONTWAIT)

    fields = dict(line.split("=", 1) for line in datagram.decode().splitlines())
    assert (fields["PRIORITY"], fields["PODWIRE_CODE"], fields["CNI_CONTAINERID"]) == ("3", "101", "c1")
    assert json.loads(fields["MESSAGE"])["msg"].startswith("no\nsuch bridge")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[log]\nto = "journald"\n', "journald"),
        ('[log]\nto = "/var/log/podwire.log"\n', "/var/log/podwire.log"),
        ("[log]\nto = 3\n", ""),
        ('log = "yes"\n', ""),
        ("", ""),
        ("[log\n", ""),
    ],
)
def test_the_agents_configuration_says_where(tmp_path: Path, text: str, expected: str) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text)

    assert journal.destination({}, config) == expected
    assert journal.destination({"PODWIRE_LOG": "/tmp/x"}, config) == "/tmp/x"


def test_without_configuration_there_is_no_log(tmp_path: Path) -> None:
    assert journal.destination({}, tmp_path / "none.toml") == ""
