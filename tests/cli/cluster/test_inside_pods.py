"""`podwire logs`, `exec`, `attach`, `port-forward`, `top` on a pod that really runs."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from cluster_store.opening import open_store
from pod_runner.cluster.bodies import JsonObject
from pod_runner.cluster.objects import Object, ref_of_body
from pod_runner.cluster.store import ClusterStore
from podwire.cluster import finding, where
from podwire.cluster.finding import room_of
from podwire.cluster.forwarding import Forwarded, listen, serve
from podwire.cluster.terminal import set_size
from tests.cli.cluster.conftest import write
from tests.cli.cluster.supervised import config_text, running
from tests.cli.conftest import Cli

SERVER = (
    "import http.server as h;"
    "h.ThreadingHTTPServer(('127.0.0.1', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
)
TALK = f"""
apiVersion: v1
kind: Pod
metadata: {{name: talk, annotations: {{podwire.io/network: none}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: host
    workingDir: /etc
    command: [sh, -c, 'for i in 1 2 3; do echo line $i; done; printf half; echo oops >&2; exec sleep 1000']
  - name: reader
    image: host
    stdin: true
    command: [cat]
  - name: server
    image: host
    ports: [{{name: http, containerPort: 8000}}]
    command: [/usr/bin/python3, -I, -S, -c, "{SERVER}"]
    readinessProbe: {{tcpSocket: {{port: 8000}}, periodSeconds: 1}}
"""
PROGRAM = [sys.executable, "-c", """
import sys
from pathlib import Path
from podwire.cluster import finding, where
finding.AGENT_CONFIG = where.AGENT_CONFIG = Path(sys.argv.pop(1))
from podwire.main import main
main()
"""]  # fmt: skip
ROOT = Path(__file__).parents[3]
LIMIT = 60.0  # seconds for anything here


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    (folder / "agent.toml").write_text(config_text(folder, f"directory:{folder}/store"))
    return folder / "agent.toml"


@pytest.fixture(scope="module")
def talk(config: Path) -> Iterator[JsonObject]:
    """One pod for all tests: they look at it, and end nothing of it."""
    with running(TALK, config) as body:
        cluster = ClusterStore(open_store(f"directory:{config.parent}/store"))
        write(cluster, body)
        cluster.close()
        yield body


@pytest.fixture
def podwire(cli: Cli, talk: JsonObject, config: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`podwire` on that node: its own cluster is found without being named."""
    monkeypatch.setattr(finding, "AGENT_CONFIG", config)
    monkeypatch.setattr(where, "AGENT_CONFIG", config)
    return cli


def begin(config: Path, *words: str, **options: object) -> subprocess.Popen[bytes]:
    """Start `podwire` on that node as a program of its own."""
    return subprocess.Popen([*PROGRAM, str(config), *words], cwd=ROOT, env=dict(os.environ), **options)  # type: ignore[call-overload,no-any-return]  # options of Popen


def run(config: Path, *words: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `podwire` to its end; exec writes to descriptors, not to what a test puts into sys.stdout."""
    argv = [*PROGRAM, str(config), *words]
    return subprocess.run(argv, input=typed, capture_output=True, cwd=ROOT, timeout=LIMIT, check=False)


def test_logs_say_what_was_written(podwire: Cli) -> None:
    every = podwire("logs", "talk").stdout
    assert "line 1\nline 2\nline 3\n" in every and "oops\n" in every and "half" in every
    last = podwire("logs", "pod/talk", "--tail", "1", "--timestamps", "--prefix").stdout
    assert last.startswith("[pod/talk/main] 20") and last.count("\n") <= 1
    assert podwire("logs", "talk", "-c", "nobody").exit_code == 1
    assert "has had no run before this one" in podwire("logs", "talk", "--previous").stderr


def test_exec_has_the_exit_code_and_the_streams_of_its_program(talk: JsonObject, config: Path) -> None:
    done = run(
        config, "exec", "-i", "talk", "--", "sh", "-c", "cat; pwd; echo bad >&2; exit 7", typed=b"typed\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, b"typed\n/etc\n", b"bad\n")
    killed = run(config, "exec", "talk", "--", "sh", "-c", "kill -9 $$")
    assert killed.returncode == 128 + 9
    missing = run(config, "exec", "talk", "--", "no-such-program")
    assert missing.returncode != 0 and b"no-such-program" in missing.stderr


def test_exec_on_a_terminal_is_of_our_size_and_ends_as_it_does(talk: JsonObject, config: Path) -> None:
    master, slave = pty.openpty()
    set_size(slave, 33, 77)
    script = "stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done"
    child = begin(
        config, "exec", "-it", "talk", "--", "sh", "-c", script,
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: take_terminal(slave),
    )  # fmt: skip
    os.close(slave)
    assert b"33 77" in read_until(master, b"ready")
    set_size(master, 20, 60)
    assert b"20 60" in read_until(master, b"20 60")
    assert child.wait(LIMIT) == 5
    os.close(master)


def take_terminal(descriptor: int) -> None:
    """Make a terminal the controlling one of a new session (ioctl_tty(2), TIOCSCTTY)."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def read_until(descriptor: int, wanted: bytes) -> bytes:
    deadline, read = time.monotonic() + LIMIT, b""
    while wanted not in read:
        assert select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0], read
        read += os.read(descriptor, 4096)
    return read


def test_attach_reads_and_writes_and_lets_go(talk: JsonObject, config: Path) -> None:
    child = begin(
        config, "attach", "-i", "talk", "-c", "reader", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(b"over there\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"over there\n"
    child.send_signal(signal.SIGINT)
    child.stdin.close()
    assert child.wait(LIMIT) == 130
    child.stdout.close()
    assert b"over there" in run(config, "logs", "talk", "reader").stdout
    assert run(config, "exec", "talk", "-c", "reader", "--", "true").returncode == 0, "it reads on"


def test_logs_are_followed_while_they_are_written(talk: JsonObject, config: Path) -> None:
    follow = begin(config, "logs", "-f", "talk", "reader", "--tail", "0", stdout=subprocess.PIPE)
    assert follow.stdout is not None
    other = begin(
        config, "attach", "-i", "talk", "-c", "reader", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert other.stdin is not None
    deadline = time.monotonic() + LIMIT
    while not select.select([follow.stdout], [], [], 0.1)[
        0
    ]:  # --tail 0: what is written before it looks is lost
        assert time.monotonic() < deadline
        other.stdin.write(b"news\n")
        other.stdin.flush()
    assert follow.stdout.readline() == b"news\n"
    for one in (follow, other):
        one.send_signal(signal.SIGINT)
        assert one.wait(LIMIT) == 130
    follow.stdout.close()
    other.stdin.close()


def test_a_local_port_leads_into_the_pod(talk: JsonObject, config: Path, host: None) -> None:
    pod = Object(ref_of_body(talk), talk)
    path = room_of(where.Place("none"), pod, config).socket(pod)
    listeners = listen(["127.0.0.1"], 0)
    port = listeners[0].getsockname()[1]
    ending, end = os.pipe()
    told: list[str] = []
    server = Thread(target=serve, args=(path, [Forwarded(listeners, 8000)], told.append, ending))
    server.start()
    try:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), LIMIT) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(4096), b""))
            assert answer.startswith(b"HTTP/1.0 200")
    finally:
        os.close(end)
        server.join(LIMIT)
        os.close(ending)
    assert told == [f"Handling connection for {port}"] * 2


def test_port_forward_says_where_it_listens(talk: JsonObject, config: Path, host: None) -> None:
    child = begin(config, "port-forward", "pod/talk", ":http", stdout=subprocess.PIPE)
    assert child.stdout is not None
    line = child.stdout.readline().decode()
    assert line.startswith("Forwarding from 127.0.0.1:") and line.endswith(" -> 8000\n")
    with socket.create_connection(("127.0.0.1", int(line.split()[2].rpartition(":")[2])), LIMIT) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.0 200")
    child.send_signal(signal.SIGINT)
    assert child.wait(LIMIT) == 0
    child.stdout.close()


def test_top_measures_what_containers_use(podwire: Cli) -> None:
    shown = [line.split() for line in podwire("top", "pods", "--containers").stdout.splitlines()]
    assert shown[0] == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert {row[1] for row in shown[1:]} == {"main", "reader", "server"}
    assert all(row[2].endswith("m") and row[3].endswith("Mi") for row in shown[1:])


def test_a_pod_of_another_node_is_not_reached_from_here(podwire: Cli, talk: JsonObject, config: Path) -> None:
    cluster = ClusterStore(open_store(f"directory:{config.parent}/store"))
    spec = talk["spec"]
    assert isinstance(spec, dict)
    metadata = {"name": "far", "namespace": "default", "uid": "far"}
    write(cluster, {**talk, "metadata": metadata, "spec": {**spec, "nodeName": "node9"}})
    cluster.close()
    for words in (
        ["exec", "far", "--", "true"],
        ["logs", "far"],
        ["attach", "far"],
        ["port-forward", "far", "80"],
    ):
        result = podwire(*words)
        assert result.exit_code == 1 and "runs on node9, this is here: run this there" in result.stderr, words
