"""One execution of one plugin: environment, stdin, bounded output, deadline (CNI 1.1.0 section 2).

The configuration is handed over in a memory file, so that a plugin which does not read it blocks nobody.
We stop listening when the plugin has exited, even if something it started keeps its pipes open.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cni_spec.errors import DECODING_FAILURE, DELEGATE_FAILED, CniError
from cni_spec.json_input import SIZE_LIMIT, decode_object
from pod_runner.cni.file_events import wait_writers_gone

DEADLINE = 120.0  # seconds for one plugin; kubelet gives a whole pod 120
BUSY_DEADLINE = 5.0  # seconds; libcni tries five times, one second apart
STDERR_LIMIT = 16 << 10  # bytes kept for error messages; all of it is relayed

Relay = Callable[[bytes], None]


@dataclass(frozen=True)
class Output:
    """What a plugin said. `status` is negative if a signal ended it."""

    status: int
    stdout: bytes
    stderr: bytes


def find_plugin(plugin_type: str, path: tuple[str, ...]) -> Path:
    """Return the first file of that name in CNI_PATH.

    Raises:
        CniError: code 105, with what was searched, or because the type is no plain file name.
    """
    if not plugin_type or "/" in plugin_type or "\0" in plugin_type:
        raise CniError(DELEGATE_FAILED, f"{plugin_type!r} is no name of a plugin")
    for directory in path:
        candidate = Path(directory, plugin_type)
        if candidate.is_file():
            return candidate
    raise CniError(DELEGATE_FAILED, f'failed to find plugin "{plugin_type}" in path [{":".join(path)}]')


def execute(
    executable: Path,
    environment: Mapping[str, str],
    stdin: bytes,
    *,
    deadline: float = DEADLINE,
    relay: Relay | None = None,
) -> Output:
    """Run a plugin and return what it said; `relay` gets its stderr as it comes.

    Raises:
        CniError: code 105 if it could not be run, went on after `deadline` seconds or printed too much.
    """
    with _memory_file(stdin) as given:
        process = _start(executable, environment, given)
    try:
        stdout, stderr = _listen(process, executable, time.monotonic() + deadline, relay)
        return Output(process.wait(), stdout, stderr)
    finally:
        _end(process)


def read_failure(plugin_type: str, output: Output) -> CniError:
    """Turn the output of a plugin that failed into the error it stands for."""
    ended = f"was ended by {signal.Signals(-output.status).name}" if output.status < 0 else "failed"
    said = output.stderr.decode("utf-8", "replace").strip()
    if not output.stdout.strip():
        return CniError(DELEGATE_FAILED, f"plugin {plugin_type} {ended} without an error message", said)
    try:
        body = decode_object(output.stdout, f"error of {plugin_type}")
    except CniError as error:
        text = output.stdout[:500].decode("utf-8", "replace")
        return CniError(
            DELEGATE_FAILED, f"plugin {plugin_type} {ended}; {error.msg}", f"{text}\n{said}".strip()
        )
    code, msg = body.get("code"), body.get("msg")
    if type(code) is not int or not isinstance(msg, str):
        text = output.stdout[:500].decode("utf-8", "replace")
        return CniError(DECODING_FAILURE, f"plugin {plugin_type} {ended}; it printed no error object", text)
    return CniError(code, msg, str(body.get("details") or ""))


def _start(executable: Path, environment: Mapping[str, str], stdin: int) -> subprocess.Popen[bytes]:
    """Start a plugin; one that is being written at this moment is waited for (ETXTBSY)."""
    deadline = time.monotonic() + BUSY_DEADLINE
    while True:
        try:
            return subprocess.Popen(
                [executable], env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                process_group=0,
            )  # fmt: skip
        except OSError as error:
            left = deadline - time.monotonic()
            if error.errno != errno.ETXTBSY or left <= 0:
                raise CniError(
                    DELEGATE_FAILED, f"plugin {executable} could not be run: {error.strerror}"
                ) from error
            wait_writers_gone(executable, left)


def _listen(
    process: subprocess.Popen[bytes], executable: Path, deadline: float, relay: Relay | None
) -> tuple[bytes, bytes]:
    assert process.stdout is not None and process.stderr is not None
    said: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            for pipe in said:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
            selector.register(pidfd, selectors.EVENT_READ)
            has_ended = False
            while not has_ended:
                ready = selector.select(deadline - time.monotonic())
                if not ready:
                    raise CniError(
                        DELEGATE_FAILED, f"plugin {executable} did not answer in time and was ended"
                    )
                has_ended = any(key.fileobj == pidfd for key, _ in ready)
                for pipe in said:
                    is_open = _drain(pipe, said[pipe], relay if pipe is process.stderr else None)
                    if not is_open and pipe in selector.get_map():
                        selector.unregister(pipe)
                _check_size(said[process.stdout], executable)
                del said[process.stderr][STDERR_LIMIT:]
    finally:
        os.close(pidfd)
    return bytes(said[process.stdout]), bytes(said[process.stderr])


def _drain(pipe: IO[bytes], into: bytearray, relay: Relay | None) -> bool:
    """Take what a pipe holds now; return False when nobody writes to it any more."""
    while len(into) <= SIZE_LIMIT:
        try:
            chunk = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:  # empty for now
            return True
        if not chunk:
            return False
        into += chunk
        if relay is not None:
            relay(chunk)
    return True


def _check_size(stdout: bytearray, executable: Path) -> None:
    if len(stdout) > SIZE_LIMIT:
        raise CniError(DELEGATE_FAILED, f"plugin {executable} printed more than {SIZE_LIMIT >> 20} MiB")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, and end the plugin and what it started if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("podwire-stdin", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
