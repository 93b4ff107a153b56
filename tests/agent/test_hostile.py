"""Callers that mean harm, or know no better: refused, bounded, and the agent goes on."""

from __future__ import annotations

import array
import contextlib
import json
import os
import resource
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import podwire.agent.server as server_module
from linuxnet.netns import OWN_NETNS
from podwire.agent.client import ask
from podwire.agent.connection import Connection
from podwire.agent.protocol import HEADER, STATUS, ProtocolError, Request, decode_reply, encode_request
from podwire.agent.status import process_facts
from tests.agent.conftest import BRIDGE, SOCKET, Caller, no_descriptors_left, wait_until

NOBODY = 65534
VERSION = Request("bridge", {"CNI_COMMAND": "VERSION"}, b"{}")


def answers(caller: Caller) -> bool:
    """Tell whether the agent serves an honest caller."""
    return caller.ask("VERSION", BRIDGE, None).status == 0


@contextmanager
def connected() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(SOCKET))
        one.settimeout(10)
        yield one


def is_turned_out(one: socket.socket) -> bool:
    """Tell whether the agent hangs up without a word."""
    try:
        return one.recv(1) == b""
    except ConnectionResetError:  # it did not even read all
        return True


def open_files(caller: Caller) -> int:
    """Count this process's descriptors when the agent has nothing to do: it closes after it has answered."""
    assert answers(caller)
    while caller.server._reading or not caller.server.pool.is_idle():
        assert answers(caller)
    return process_facts()["descriptors"]


def test_another_user_is_turned_away(caller: Caller) -> None:
    SOCKET.chmod(0o666)  # so that it is not the file's mode that keeps him out
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with connected() as one, contextlib.suppress(BrokenPipeError):
            one.sendall(encode_request(VERSION))
            os._exit(0 if is_turned_out(one) else 1)
        os._exit(0)  # it hung up before anything could be said
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert caller.server.counters.rejected["another user"] == 1 and answers(caller)


def test_the_socket_is_its_owners_alone(caller: Caller) -> None:
    assert SOCKET.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(2000),
        HEADER.pack(b"PWR1", 0xFFFFFFFF),
        HEADER.pack(b"PWR1", 4) + b"\0\0\0\0",
        HEADER.pack(b"PWR1", 3) + b"abc" + b"and more behind the end",
        encode_request(Request("../../bin/sh", {"CNI_COMMAND": "ADD"}, b"{}"))[:-3],
    ],
)
def test_garbage_is_turned_away(caller: Caller, data: bytes) -> None:
    before = open_files(caller)
    with connected() as one:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        assert is_turned_out(one)
    assert answers(caller) and open_files(caller) == before


def test_half_a_request_and_silence_is_turned_out(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "READ_DEADLINE", 0.2)
    with connected() as one:
        one.sendall(encode_request(VERSION)[:20])
        assert is_turned_out(one)
    assert caller.server.counters.rejected["half a request"] == 1 and answers(caller)


def test_silence_keeps_nobody_waiting(caller: Caller) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected())
        assert answers(caller)


def test_ten_thousand_connections_are_bounded(caller: Caller) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before, threads = open_files(caller), process_facts()["threads"]
    at_once = min(2000, (hard - before) // 3)
    for _ in range(10_000 // at_once):
        with ExitStack() as stack:
            for _ in range(at_once):
                stack.enter_context(connected())
            assert len(caller.server._reading) <= server_module.CALLERS
    assert answers(caller)
    assert caller.server.counters.rejected["too many callers"] > 0
    assert process_facts()["threads"] == threads
    assert open_files(caller) == before


def test_who_cannot_be_accepted_for_want_of_descriptors_is_not_asked_for_all_the_time(
    caller: Caller,
) -> None:
    open_files(caller)  # none is about to be closed
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(10)
        with no_descriptors_left():
            began = time.monotonic()
            waiting.connect(str(SOCKET))
            wait_until(lambda: caller.server.counters.rejected["EMFILE"] >= 3)
            assert time.monotonic() - began >= 2 * server_module.ACCEPT_PAUSE

        waiting.sendall(encode_request(VERSION))
        assert waiting.recv(4) == b"PWA1"


def test_for_want_of_descriptors_the_status_is_an_error_and_the_agent_lives(caller: Caller) -> None:
    open_files(caller)
    with connected() as one:
        wait_until(lambda: len(caller.server._reading) == 1)
        with no_descriptors_left():
            one.sendall(encode_request(Request(STATUS, {}, b"")))
            reply = decode_reply(b"".join(iter(lambda: one.recv(4096), b"")))
    assert reply.status == 1 and json.loads(reply.stdout)["code"] == 11
    assert answers(caller)


def test_descriptors_that_are_no_namespaces_are_refused(caller: Caller) -> None:
    before = open_files(caller)
    here = os.open(OWN_NETNS, os.O_RDONLY)
    variables = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "x", "CNI_IFNAME": "eth0", "CNI_NETNS": "/x"}
    with tempfile.TemporaryFile() as file:
        reply = ask(
            SOCKET, Request("bridge", variables, b'{"name":"n","cniVersion":"1.0.0"}'), [here, file.fileno()]
        )
        wrong_first = ask(SOCKET, VERSION, [file.fileno()])
    os.close(here)

    assert b"it is not a network namespace" in reply.stdout
    assert wrong_first.status == 0xFFFFFFFF
    assert answers(caller) and open_files(caller) == before


def test_two_hundred_descriptors_are_closed(caller: Caller) -> None:
    before = open_files(caller)
    here = os.open(OWN_NETNS, os.O_RDONLY)
    with connected() as one:
        rights = array.array("i", [here] * 200).tobytes()
        one.sendmsg([encode_request(VERSION)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        assert one.recv(4) == b"PWA1"
    os.close(here)
    assert answers(caller) and open_files(caller) == before


def test_descriptors_with_every_byte_are_closed(caller: Caller) -> None:
    before = open_files(caller)
    here = os.open(OWN_NETNS, os.O_RDONLY)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", here))]
    with connected() as one:
        for byte in encode_request(VERSION):
            one.sendmsg([bytes([byte])], rights)
        assert one.recv(4) == b"PWA1"
    os.close(here)
    assert answers(caller) and open_files(caller) == before


def test_half_of_the_descriptors_are_no_guess_at_the_others(host: None) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    here = os.open(OWN_NETNS, os.O_RDONLY)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ours, contextlib.closing(Connection(theirs)) as connection:
        socket.send_fds(ours, [encode_request(VERSION)], [here, here])
        free = os.dup(here)  # the lowest number that is free
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))  # so that one more may be opened
        try:
            with pytest.raises(ProtocolError, match="not every descriptor"):
                connection.read()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert connection.descriptors == [free]
    os.close(here)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(free)


def test_variables_may_be_any_bytes(caller: Caller) -> None:
    caller.environment["CNI_ARGS"] = "IgnoreUnknown=1;K\udcff=\udcfe"
    caller.environment["CNI_CONTAINERID"] = "\udcff"
    for verb in ("ADD", "DEL", "CHECK", "\udcff"):
        reply = caller.ask(verb, BRIDGE, None)
        assert reply.status == 1 and json.loads(reply.stdout)["code"] == 4


def test_a_caller_that_leaves_in_the_middle_harms_nobody(caller: Caller) -> None:
    before = open_files(caller)
    for cut in (1, 7, 8, 30):
        with connected() as one:
            one.sendall(encode_request(VERSION)[:cut])
    assert answers(caller)
    assert open_files(caller) == before


def test_a_path_in_a_types_place_is_not_followed(caller: Caller, tmp_path: Path) -> None:
    reply = caller.ask("ADD", {"type": "../" * 9 + "bin/sh"}, None)

    assert reply.status == 0xFFFFFFFF
