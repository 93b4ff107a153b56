"""Both launchers, against an agent of the test's own: what they send and print, when they do it alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cni_plugins.delegate import is_ours
from linuxnet.netns import OWN_NETNS
from linuxnet.scratch import open_scratch_netns
from podwire.agent.protocol import HEADER, NOT_SERVED, Reply, Request, decode_request, encode_reply
from podwire.install.launchers import BINARY, Kind, launcher

LIMIT = 4 << 20
REPOSITORY = Path(__file__).parents[2]
Inodes = list[int]


@dataclass
class FakeAgent:
    """Listens, takes one request, and says `reply` (bytes) before it hangs up."""

    path: Path
    reply: bytes = encode_reply(Reply(0, b'{"from": "agent"}'))
    requests: list[Request] = field(default_factory=list)
    inodes: list[Inodes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # closed: the test is over
                return
            with caller:
                if self._take(caller):
                    caller.sendall(self.reply)

    def _take(self, caller: socket.socket) -> bool:
        data, descriptors, _, _ = socket.recv_fds(caller, 1 << 16, 4)
        if not data:  # it thought better of it
            return False
        while len(data) < HEADER.size + HEADER.unpack_from(data)[1]:
            data += caller.recv(1 << 20)
        self.requests.append(decode_request(data[HEADER.size :]))
        self.inodes.append([os.fstat(one).st_ino for one in descriptors])
        for one in descriptors:
            os.close(one)
        return True

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@dataclass
class Launcher:
    """One executable in a folder of the test's."""

    path: Path
    socket: Path

    def __call__(
        self, stdin: bytes = b"{}", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Execute it as a runtime does."""
        variables = {"CNI_COMMAND": "STATUS", "PATH": os.environ["PATH"], "PODWIRE_SOCKET": str(self.socket)}
        variables["PODWIRE_AGENT"] = "running"  # none is started in the background
        variables |= environment or {}
        return subprocess.run(
            [self.path], input=stdin, env=variables, capture_output=True, check=False, timeout=60
        )

    def said(self, **arguments: object) -> tuple[int, bytes, bytes]:
        """Execute it and return status, stdout and stderr."""
        done = self(**arguments)  # type: ignore[arg-type]
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=[Kind.C, Kind.PYTHON])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Launcher]:
    """Return what installs a launcher of one kind."""

    def install(plugin: str = "static", interpreter: str = sys.executable) -> Launcher:
        path = tmp_path / plugin
        data = launcher(plugin, kind=request.param)
        if interpreter != sys.executable:
            data = launcher(plugin, interpreter, kind=request.param)
            if request.param is Kind.PYTHON:  # the one that starts it is there, the one it becomes is not
                data = data.replace(f"#!{interpreter}".encode(), f"#!{sys.executable}".encode(), 1)
        path.write_bytes(data)
        path.chmod(0o755)
        return Launcher(path, tmp_path / "agent.sock")

    return install


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    one = FakeAgent(tmp_path / "agent.sock")
    yield one
    one.close()


def test_what_arrives_is_what_the_runtime_said(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    other = open_scratch_netns()
    netns = f"/proc/{os.getpid()}/fd/{other}"
    variables = {
        "CNI_COMMAND": "ADD",
        "CNI_NETNS": netns,
        "CNI_ARGS": "",
        "TRACEPARENT": "00-1-2-03",
        "SECRET": "x",
    }

    assert make()(b'{"a": 1}', variables).returncode == 0

    request = agent.requests[0]
    assert (request.plugin, request.stdin) == ("static", b'{"a": 1}')
    assert {key: request.environment.get(key) for key in variables} == variables | {"SECRET": None}
    assert agent.inodes == [[Path(OWN_NETNS).stat().st_ino, os.fstat(other).st_ino]]
    os.close(other)


def test_a_namespace_that_is_not_there_is_the_agents_to_judge(
    make: Callable[..., Launcher], agent: FakeAgent
) -> None:
    make()(environment={"CNI_NETNS": "/no/such"})

    assert len(agent.inodes[0]) == 1


def test_the_answer_is_passed_on(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    agent.reply = encode_reply(Reply(7, b"out\0put\n", b"warning\n"))

    assert make().said() == (7, b"out\0put\n", b"warning\n")


def test_a_large_configuration_and_a_large_answer_pass(
    make: Callable[..., Launcher], agent: FakeAgent
) -> None:
    body, out = b" " * LIMIT, os.urandom(LIMIT)
    agent.reply = encode_reply(Reply(0, out))

    assert make().said(stdin=body) == (0, out, b"")
    assert agent.requests[0].stdin == body


def test_what_is_too_large_is_refused(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    done = make()(b" " * (LIMIT + 1))

    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 6 and not agent.requests


def test_the_version_that_is_asked_for_arrives(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    body = b'{"cniVersion": "0.4.0"}'

    assert make()(body, {"CNI_COMMAND": "VERSION"}).returncode == 0
    assert agent.requests[0].stdin == body


def test_without_an_agent_version_says_the_version_it_was_asked_in(make: Callable[..., Launcher]) -> None:
    done = make()(b'{"cniVersion": "0.4.0"}', {"CNI_COMMAND": "VERSION"})

    assert json.loads(done.stdout)["cniVersion"] == "0.4.0"


def test_version_waits_for_no_stdin(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    reader, writer = os.pipe()
    one = make()
    environment = {"CNI_COMMAND": "VERSION", "PODWIRE_SOCKET": str(one.socket)}
    done = subprocess.run(
        [one.path], stdin=reader, env=environment, capture_output=True, check=True, timeout=20
    )
    os.close(writer)
    os.close(reader)

    assert done.stdout == b'{"from": "agent"}'


@pytest.mark.parametrize(
    "reply",
    [b"", b"PWA1", encode_reply(Reply(0, b"12345"))[:-1], b"HTTP/1.1 200", encode_reply(Reply(NOT_SERVED))],
)
def test_without_a_whole_answer_it_does_the_work_itself(
    make: Callable[..., Launcher], agent: FakeAgent, reply: bytes
) -> None:
    agent.reply = reply
    done = make()(b'{"cniVersion": "1.1.0", "name": "Bad Name"}', {"PODWIRE_AGENT": "running"})

    assert len(agent.requests) == 1
    assert done.returncode == 1 and json.loads(done.stdout)["code"] == 7, "the same stdin was read again"


@pytest.mark.parametrize("environment", [{}, {"PODWIRE_AGENT": "never"}])
def test_without_an_agent_it_does_the_work_itself(
    make: Callable[..., Launcher], environment: dict[str, str], tmp_path: Path
) -> None:
    body = {"cniVersion": "1.1.0", "name": "n", "type": "static", "ipam": {"type": "static"}}
    one = make()
    done = one(json.dumps(body).encode(), environment)

    assert (done.returncode, done.stdout) == (0, b"")


def test_never_means_never(make: Callable[..., Launcher], agent: FakeAgent) -> None:
    make()(environment={"PODWIRE_AGENT": "never", "CNI_COMMAND": "VERSION"})

    assert not agent.requests


def test_started_by_hand_it_says_what_it_is(make: Callable[..., Launcher]) -> None:
    done = make()(environment={"CNI_COMMAND": ""})

    assert done.returncode == 0 and b"CNI static plugin of podwire" in done.stderr


def test_without_python_either_it_names_the_service(make: Callable[..., Launcher]) -> None:
    done = make(interpreter="/no/such/python")()

    error = json.loads(done.stdout)
    assert done.returncode == 1 and error["code"] == 11
    assert "systemctl start podwire-agent.service" in error["msg"]


def test_an_agent_of_another_user_is_not_trusted(make: Callable[..., Launcher], tmp_path: Path) -> None:
    child = os.fork()
    tmp_path.chmod(0o777)
    if child == 0:
        for folder in [*tmp_path.parents][:-2]:
            folder.chmod(0o755)
        os.setuid(65534)
        fake = FakeAgent(tmp_path / "agent.sock")
        (tmp_path / "listens").touch()
        fake._thread.join()
        os._exit(0)
    while not (tmp_path / "listens").exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    try:
        done = make()(environment={"CNI_COMMAND": "VERSION"})
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert "supportedVersions" in json.loads(done.stdout)


def test_both_are_known_as_ours(make: Callable[..., Launcher]) -> None:
    assert is_ours(make().path)


def test_the_c_launcher_knows_its_interpreter_by_its_trailer() -> None:
    data = launcher("bridge", "/opt/python", kind=Kind.C)

    assert data.startswith(BINARY.read_bytes()) and len(data) == BINARY.stat().st_size + 1024
    assert data[-1024:].rstrip(b"\0") == b"# podwire plugin\nbridge\n/opt/python\n"


@pytest.mark.campaign
def test_a_wheel_holds_the_launcher(tmp_path: Path) -> None:
    source = tmp_path / "source"
    names = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    for name in names.splitlines():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, source / name)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], check=True, capture_output=True
    )

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = wheel.getinfo("podwire/install/launcher")
        assert packed.external_attr >> 16 & 0o777 == 0o755
        machine = struct.unpack_from("<H", wheel.read(packed), 18)[0]
    assert machine == struct.unpack_from("<H", Path(sys.executable).read_bytes(), 18)[0]
