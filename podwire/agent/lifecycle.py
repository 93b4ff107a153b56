"""One agent a socket: sockets of its own or of systemd's, signals, the end when idle.

The holder of flock(2) on `agent.lock` beside the socket is the agent; whoever comes second leaves. The
lock goes with the process, so a socket file that a killed agent left is nobody's, and is replaced. Where
somebody listens without the lock it is systemd, whose place is not taken.
"""

from __future__ import annotations

import fcntl
import gc
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cni_plugins.background import listens
from cni_spec.errors import IO_FAILURE, CniError
from podwire.agent.notify import notify, watchdog_interval
from podwire.agent.protocol import OVERLAY, RUNNER, SERVICES
from podwire.agent.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from podwire.agent.overlay import OverlayService
    from podwire.agent.runner import Runner
    from podwire.agent.server import Server
    from podwire.agent.services import Services

FIRST_LISTENED = 3  # SD_LISTEN_FDS_START (sd_listen_fds(3))
BACKLOG = 4096  # callers; what net.core.somaxconn allows by default
SOCKET_MODE = 0o600
HEAD_START = 2.0  # seconds; 5,000 peers are programmed in one, and callers wait at the socket meanwhile
FOLDER_MODE = 0o755  # as podwire-agent.socket makes it


class AlreadyRunning(Exception):
    """Another agent holds the lock of this socket, or somebody else listens on it."""


def run_agent(path: Path, settings: Settings, *, idle: float) -> None:
    """Be the agent until told to stop. `idle` in seconds, 0: it stays.

    Raises:
        AlreadyRunning: there is one already.
        CniError: code 5, if its socket cannot be made.
    """
    _prepare_process()
    if settings.overlay.registry or settings.proxy.enabled or settings.dns.enabled or settings.runner.enabled:
        idle = 0  # it works without being asked
    _leave_on_signals()
    with listening(path) as listener:
        with ExitStack() as stack:
            with _no_collections():
                overlay = stack.enter_context(_overlay(settings))
                services = stack.enter_context(_services(settings))
                server = _make_server(listener, settings, idle)
            if overlay is not None:
                server.serving.questions[OVERLAY] = overlay.answer
            if services is not None:
                server.serving.questions[SERVICES] = services.answer
            runner = stack.enter_context(_runner(settings, overlay, services))
            if runner is not None:
                server.serving.questions[RUNNER] = runner.answer
            stack.enter_context(_stopped_by_signals(server))
            stack.enter_context(_metrics(server, settings, overlay, services, runner))
            notify("READY=1")
            server.run()
        notify("STOPPING=1")


def _leave_on_signals() -> None:
    """Let SIGTERM and SIGINT end what has not begun to serve, the socket's file and all."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Load without looking for garbage; what is loaded stays for good: no collection need look at it."""
    gc.disable()
    try:
        yield
        gc.collect()
        gc.freeze()
    finally:
        gc.enable()


def _make_server(listener: socket.socket, settings: Settings, idle: float) -> Server:
    from podwire.agent.server import Server  # all plugins: the overlay need not wait for them

    interval = watchdog_interval()
    return Server(listener, settings.agent, idle=idle, beat=_beat(interval), beat_interval=interval)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Hand out the listening socket: systemd's if it passed one, else one made at `path`.

    Raises:
        AlreadyRunning: there is an agent already, or systemd listens for one it will start.
        CniError: code 5, if the socket cannot be made.
    """
    passed = _passed_socket()
    if passed is not None:
        with passed:
            yield passed
        return
    with _only_one(path.with_name("agent.lock")):
        if listens(path):  # without the lock: no agent that was started as this one is
            raise AlreadyRunning(
                f"somebody listens at {path} already, perhaps systemd by podwire-agent.socket: "
                "it starts the agent when a plugin calls; stop it, or choose another --socket"
            )
        with _bound(path) as listener:
            yield listener


@contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a server.

    A handler runs when its thread next runs Python. So the signal itself must wake the loop: it may come
    in the moment before that goes to sleep, or interrupt another thread (signal.set_wakeup_fd).
    """
    with server.waker() as waker:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)


def _beat(interval: float | None) -> Callable[[], None]:
    """Return what the loop calls whenever it turns: it tells the watchdog, not more often than asked."""
    if interval is None:
        return lambda: None
    last = [0.0]

    def beat() -> None:
        now = time.monotonic()
        if now - last[0] >= interval / 2:
            last[0] = now
            notify("WATCHDOG=1")

    return beat


def _prepare_process() -> None:
    """Let go of the caller: its folder, its file mode mask; and allow as many descriptors as we may have."""
    os.umask(0o077)
    os.chdir("/")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # as it was, then
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _passed_socket() -> socket.socket | None:
    """Return the socket that systemd listens on for us (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # not for delegates
    listener = socket.socket(fileno=FIRST_LISTENED)
    listener.set_inheritable(False)
    return listener


def _make_folder(folder: Path) -> None:
    """Make a folder that every user may look into, whatever our mask; one that is there stays as it is."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(FOLDER_MODE)


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    try:
        _make_folder(lock.parent)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CniError(IO_FAILURE, f"{lock}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another agent serves in {lock.parent}") from None
        yield
    finally:
        os.close(descriptor)


class _OwnListener(socket.socket):
    """A listener whose file goes with it, as long as that is ours; whoever closes it closes both."""

    def __init__(self, path: Path) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.path = path
        self.inode = 0  # of the file, once it is made

    def close(self) -> None:
        """Unlink, then close: a launcher that finds the file finds somebody."""
        if self.fileno() >= 0:
            _unlink_if(self.path, self.inode)
        super().close()


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """Bind under a name of our own, then take the name that launchers know: it is never half made."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with _OwnListener(path) as listener:
        try:
            draft.unlink(missing_ok=True)
            listener.bind(str(draft))
            draft.chmod(SOCKET_MODE)
            listener.listen(BACKLOG)
            listener.inode = draft.stat().st_ino
            draft.rename(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise CniError(
                IO_FAILURE, f"no socket could be made at {path}: {error.strerror or error}"
            ) from error
        yield listener


def _unlink_if(path: Path, inode: int) -> None:
    try:
        if path.stat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:  # somebody tidied up
        return


@contextmanager
def _overlay(settings: Settings) -> Iterator[OverlayService | None]:
    """Run the overlay, if one is configured; what else the agent loads waits a moment for it."""
    if not settings.overlay.registry:
        yield None
        return
    from podwire.agent.overlay import OverlayService  # and what it is made of, where somebody asked for it

    service = OverlayService(settings.overlay)
    service.start()
    try:
        service.wait_ready(HEAD_START)
        yield service
    finally:
        service.stop()


@contextmanager
def _services(settings: Settings) -> Iterator[Services | None]:
    """Serve services and their names, if that is configured."""
    if not (settings.proxy.enabled or settings.dns.enabled):
        yield None
        return
    from podwire.agent.standalone import running_services  # and what that needs, where somebody asked for it

    with running_services(settings.proxy, settings.dns) as services:
        yield services


@contextmanager
def _runner(
    settings: Settings, overlay: OverlayService | None, services: Services | None
) -> Iterator[Runner | None]:
    """Run pods, if that is configured."""
    if not settings.runner.enabled:
        yield None
        return
    from podwire.agent.pods import running_pods  # and what that needs, where somebody asked for it

    with running_pods(settings, overlay, services) as runner:
        yield runner


@contextmanager
def _metrics(
    server: Server,
    settings: Settings,
    overlay: OverlayService | None,
    services: Services | None,
    runner: Runner | None,
) -> Iterator[None]:
    if not settings.metrics.listen:
        yield
        return
    from podwire.agent.metrics import serving_metrics  # prometheus-client, where somebody asked for it
    from podwire.agent.overlay_metrics import OverlayCollector
    from podwire.agent.services_metrics import ServicesCollector

    more: list[Collector] = [OverlayCollector(overlay)] if overlay is not None else []
    more += [ServicesCollector(services)] if services is not None else []
    if runner is not None:
        from podwire.agent.runner_metrics import RunnerCollector

        more.append(RunnerCollector(runner))
    with serving_metrics(settings.metrics.listen, server, *more):
        yield
