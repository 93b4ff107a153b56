"""A real etcd for tests: started, killed, stopped and started again, on loopback of the test's namespace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

START_WITHIN = 30.0  # seconds, on a busy machine
QUICK = (
    "--heartbeat-interval",
    "20",
    "--election-timeout",
    "200",
    "--unsafe-no-fsync",
    "--log-level",
    "error",
)


def missing() -> str:
    """Return why there can be no etcd here, "" if there can."""
    absent = [tool for tool in ("etcd", "etcdctl") if not shutil.which(tool)]
    return f"{' and '.join(absent)} not installed (etcd-server, etcd-client)" if absent else ""


class EtcdServer:
    """One member. Member n of a cluster has the ports 2379 + 10n and 2380 + 10n."""

    def __init__(self, folder: Path, number: int = 0, size: int = 1, options: Sequence[str] = ()) -> None:
        self.port = 2379 + 10 * number
        self._log = folder / f"etcd{number}.log"
        self._scheme = "https" if "--cert-file" in options else "http"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"{self._scheme}://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{2380 + 10 * number}"
        cluster = ",".join(f"n{n}=http://127.0.0.1:{2380 + 10 * n}" for n in range(size))
        self._command = ["etcd", "--name", f"n{number}", "--data-dir", str(folder / f"data{number}")]
        self._command += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        self._command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        self._command += ["--initial-cluster", cluster, *QUICK, *options]

    def launch(self) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def wait_listening(self) -> None:
        """Return when it accepts connections, which it does when its cluster has a leader."""
        end = time.monotonic() + START_WITHIN
        while time.monotonic() < end:
            assert self._process and self._process.poll() is None, self._log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)  # a process that starts tells nobody when it listens
        raise AssertionError(f"etcd is not ready: {self._log.read_text()}")

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        self.wait_listening()

    def kill(self) -> None:
        """Kill it at once."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop it in its tracks: connections stay, nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """Run etcdctl."""
        command = ["etcdctl", "--endpoints", self.url, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def compact(self) -> None:
        """Make it forget all history."""
        status = json.loads(self.control("endpoint", "status", "--write-out", "json"))
        self.control("compaction", "--physical", str(status[0]["Status"]["header"]["revision"]))
