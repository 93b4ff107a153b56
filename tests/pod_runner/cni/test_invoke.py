"""One execution: whatever a plugin does, the runtime gets an answer, in time, and nothing stays behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from cni_spec.errors import DELEGATE_FAILED, CniError
from pod_runner.cni.invoke import Output, execute, find_plugin, read_failure

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def _plugin(folder: Path, script: str) -> Path:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _run(folder: Path, script: str, stdin: bytes = b"{}", deadline: float = 20) -> Output:
    return execute(_plugin(folder, script), ENVIRONMENT, stdin, deadline=deadline)


def test_stdin_environment_and_both_outputs_are_connected(tmp_path: Path) -> None:
    output = _run(tmp_path, 'cat; echo "oops $PATH" >&2; exit 3', b'{"a": 1}')

    assert output == Output(3, b'{"a": 1}', f"oops {os.environ['PATH']}\n".encode())


def test_megabytes_go_both_ways_at_once(tmp_path: Path) -> None:
    body = b"x" * (3 << 20)

    assert _run(tmp_path, "cat", body).stdout == body


def test_a_plugin_that_does_not_read_its_stdin_blocks_nobody(tmp_path: Path) -> None:
    assert _run(tmp_path, "echo done", b"x" * (3 << 20)).stdout == b"done\n"


def test_a_plugin_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="did not answer in time") as caught:
        _run(tmp_path, f"sleep 300 & echo $! > {tmp_path}/pid; wait", deadline=0.5)

    assert caught.value.code == DELEGATE_FAILED
    _wait_gone(int((tmp_path / "pid").read_text()))


def _wait_gone(pid: int) -> None:
    """Return when a process has ended: killed at once, reaped whenever its new parent likes."""
    deadline = time.monotonic() + 10
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().split()[2] not in "ZX":
        assert time.monotonic() < deadline, f"process {pid} still runs"


def test_what_a_plugin_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    before = time.monotonic()
    output = _run(tmp_path, f"setsid sleep 300 & echo $! > {tmp_path}/pid; echo done")
    os.kill(int((tmp_path / "pid").read_text()), 9)

    assert output.stdout == b"done\n"
    assert time.monotonic() - before < 10


def test_endless_output_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="printed more than 4 MiB"):
        _run(tmp_path, "exec cat /dev/zero")


def test_endless_stderr_is_relayed_but_not_kept(tmp_path: Path) -> None:
    relayed = bytearray()
    plugin = _plugin(tmp_path, "head -c 9000000 /dev/zero >&2; echo done")

    output = execute(plugin, ENVIRONMENT, b"", relay=relayed.extend)

    assert output.stdout == b"done\n" and len(relayed) == 9_000_000 and len(output.stderr) <= 16 << 10


def test_a_plugin_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    plugin = _plugin(tmp_path, "echo done")
    outputs: list[Output] = []
    writer = plugin.open("ab")
    thread = threading.Thread(target=lambda: outputs.append(execute(plugin, ENVIRONMENT, b"")))
    thread.start()
    thread.join(0.2)
    assert not outputs
    writer.close()
    thread.join(10)

    assert [output.stdout for output in outputs] == [b"done\n"]


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"#!/bin/sh\n", 0o644, "Permission denied"),
        (b"#!/nowhere/sh\n", 0o755, "No such file"),
        (b"\x7fELF nonsense", 0o755, "Exec format error"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(
    tmp_path: Path, content: bytes, mode: int, reason: str
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_bytes(content)
    plugin.chmod(mode)

    with pytest.raises(CniError, match=f"plugin {plugin} could not be run: {reason}"):
        execute(plugin, ENVIRONMENT, b"")


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    _run(tmp_path, "echo")
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(5):
        _run(tmp_path, "echo")
    assert sorted(Path("/proc/self/fd").iterdir()) == before


# ---- looking up


def test_the_first_file_in_the_path_is_taken_links_followed(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "bridge").mkdir()
    (tmp_path / "two" / "bridge").symlink_to("../three/bridge")
    (tmp_path / "three" / "bridge").write_text("")

    path = tuple(str(tmp_path / name) for name in ("zero", "one", "two", "three"))
    assert find_plugin("bridge", path) == tmp_path / "two" / "bridge"


@pytest.mark.parametrize("name", ["", "../bridge", "/bin/sh", "a\0b", "gone"])
def test_what_is_no_plugin_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CniError) as caught:
        find_plugin(name, (str(tmp_path),))
    assert caught.value.code == DELEGATE_FAILED


# ---- failures


FAILURES: list[tuple[Output, int, str, str]] = [
    (Output(1, b'{"code": 7, "msg": "bad", "details": "very"}', b""), 7, "bad", "very"),
    (Output(1, b'{"cniVersion": "1.0.0", "code": 999, "msg": "x", "details": null}', b"log"), 999, "x", ""),
    (Output(1, b"", b"panic: nil\n"), 105, "plugin a failed without an error message", "panic: nil"),
    (Output(1, b"oh no", b""), 105, "plugin a failed; error of a: not JSON", "oh no"),
    (Output(1, b'{"msg": 3}', b""), 6, "plugin a failed; it printed no error object", '{"msg": 3}'),
    (Output(-9, b"", b""), 105, "plugin a was ended by SIGKILL", ""),
]


@pytest.mark.parametrize(("output", "code", "msg", "details"), FAILURES)
def test_every_failure_becomes_one_error(output: Output, code: int, msg: str, details: str) -> None:
    error = read_failure("a", output)

    assert error.code == code
    assert error.msg.startswith(msg)
    assert error.details.strip() == details
