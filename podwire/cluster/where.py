"""Which cluster a command means, and how to get there: a store's URL, a lab's, or this node's own.

A lab's store is reached in its namespaces alone. `enter` goes there with all that this process is: its
terminal, its arguments, what it has read. `ask` has a child look something up there, and stays.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_store.opening import StoreOptions, open_store
from cluster_store.store import StoreRefused, StoreUnavailable
from cni_plugins.journal import AGENT_CONFIG
from cni_spec.errors import NOT_AVAILABLE, TRY_AGAIN_LATER, CniError
from cni_spec.json_input import JsonObject
from podwire.lab.finding import MARK, Found, find
from podwire.lab.folder import LabFolder, lab_names

if TYPE_CHECKING:
    from pod_runner.cluster.store import ClusterStore
    from pod_runner.node.settings import RunnerSettings

NO_OPTIONS = StoreOptions()
NOT_A_LAB = Found(0, {})
NONE = "there is no cluster here"
WHAT_TO_DO = (
    "`podwire lab up` makes one of several nodes; [runner] enabled = true in /etc/podwire/agent.toml makes "
    "this machine one; --source URL names the store of another"
)
PATIENCE = 60.0  # seconds for a look, on a machine busy with others
PASSED_ON = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
SI_KERNEL = 0x80  # asm-generic/siginfo.h; of what a terminal sends for a key
SHELLS = 128  # + N is the exit status of a program that signal N ended, as shells have it


@dataclass(frozen=True)
class Place:
    """A cluster's store, and where it can be opened. `lab`: a lab's name, "" where this is none."""

    url: str
    options: StoreOptions = NO_OPTIONS
    lab: str = ""
    found: Found = NOT_A_LAB

    def __str__(self) -> str:
        """Say which it is."""
        return f'the lab "{self.lab}"' if self.lab else self.url


def find_place(source: str = "", lab: str = "", config: Path | None = None) -> Place:
    """Return the cluster that is meant: what was named, else this node's, else the only lab that runs.

    Raises:
        CniError: there is none, or several; the details say what to do.
    """
    if source and lab:
        raise CniError(NOT_AVAILABLE, "--source and --lab name two clusters: give one of them")
    if source:
        return Place(source)
    if name := lab or os.environ.get(MARK, "").partition("/")[0]:
        return _lab(name)
    if (own := own_settings(config)) is not None:
        return own
    running = [name for name in lab_names() if find(name).lab]
    if len(running) == 1:
        return _lab(running[0])
    if running:
        said = f"several labs run here: {', '.join(running)}"
        raise CniError(NOT_AVAILABLE, said, f"--lab NAME or the variable {MARK} says which")
    raise CniError(NOT_AVAILABLE, NONE, WHAT_TO_DO)


def own_settings(config: Path | None = None) -> Place | None:
    """Return the cluster that this node's agent runs pods of, None if it runs none."""
    from podwire.agent.settings import read_settings

    settings = read_settings(config or AGENT_CONFIG)
    if not settings.runner.enabled and not settings.runner.store:
        return None
    url = settings.runner.store_url(settings.proxy.source if settings.proxy.enabled else "")
    return Place(url, _options(settings.runner))


def open_cluster(place: Place) -> ClusterStore:
    """Return a place's objects. Whoever means a lab has entered it. Raises StoreRefused."""
    from pod_runner.cluster.store import ClusterStore

    return ClusterStore(open_store(place.url, place.options))


def enter(place: Place) -> None:
    """Go on in the lab's namespaces, in a child; this process waits, and ends as the child does.

    Nothing happens where the place is no lab. What is to be read or bound on this side has been.
    """
    if not place.found.lab:
        return
    from linuxnet.joining import join, to_reach

    sys.stdout.flush()
    sys.stderr.flush()
    ourselves = os.pidfd_open(os.getpid())
    join(place.found.lab, to_reach(place.found.lab))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    if child := os.fork():
        os._exit(_end_of(child))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _end_with(ourselves)
    os.chdir("/")


def ask(
    place: Place, what: str, look: Callable[[ClusterStore], JsonObject], seconds: float = PATIENCE
) -> JsonObject:
    """Return what `look` finds in a cluster's objects; in a lab a child goes and looks.

    Raises:
        CniError: as `look` does; what a store raises is among it. In a lab also if it takes too long.
    """

    def visit() -> JsonObject:
        from pod_runner.cluster.store import ClusterError

        cluster = open_cluster(place)
        try:
            return look(cluster)
        except ClusterError as error:
            raise CniError(NOT_AVAILABLE, f"{error}") from error
        except (StoreRefused, StoreUnavailable) as error:
            raise CniError(TRY_AGAIN_LATER, f"{error}") from error
        except KeyboardInterrupt:
            if place.found.lab:  # who asked was interrupted as well, and says so
                os._exit(1)
            raise
        finally:
            cluster.close()

    if not place.found.lab:
        return visit()
    from podwire.lab.inside import Work

    return Work(what, place.found.lab, visit).result(seconds)


def _lab(name: str) -> Place:
    folder = LabFolder(name)
    blueprint = folder.read()
    found = find(name)
    if not found.lab:
        said = f'the lab "{name}" does not run'
        raise CniError(NOT_AVAILABLE, said, f"podwire lab down --name {name} clears what is left of it")
    return Place(blueprint.services_url, lab=name, found=found)


def _options(settings: RunnerSettings) -> StoreOptions:
    def path(text: str) -> Path | None:
        return Path(text) if text else None

    return StoreOptions(
        ca=path(settings.ca_file), certificate=path(settings.cert_file), key=path(settings.key_file),
        user=settings.user, password_file=path(settings.password_file),
    )  # fmt: skip


def _end_of(child: int) -> int:
    """Wait for a child as if it were in our place; return the exit status that says how it ended.

    What the terminal sends, it sends to both of us; what somebody sends to us is the child's, too.
    """
    while True:
        told = signal.sigwaitinfo(PASSED_ON)
        if told.si_signo != signal.SIGCHLD:
            if told.si_code != SI_KERNEL:
                os.kill(child, told.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SHELLS - code


def _end_with(parent: int) -> None:
    """End when the process of a pidfd ends. In another pid namespace getppid(2) says nothing of it."""
    from linuxnet.joining import die_with

    die_with(os.getppid())
    if select.select([parent], [], [], 0)[0]:  # it ended before we asked
        os._exit(1)
    os.close(parent)
