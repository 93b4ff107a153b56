"""Take away what is left of a pod: supervisor, processes, attachments, cgroups, logs, folder; in this order.

For pods whose supervisor could not do it itself. Each part may be gone already; a folder goes last, so that
whoever comes after one that was killed meanwhile finds what is left.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from cni_spec.errors import CniError
from pod_runner.cni.cache import CachedAttachment, ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import load_network
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime
from pod_runner.container.sandbox import is_alive
from pod_runner.container.spec import ContainerError
from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.orders import folders, read_folder
from pod_runner.supervisor import lock, networking
from pod_runner.supervisor.order import LOCK, ORDER, NodePlaces
from pod_runner.supervisor.state import is_ended, read_state

ENDS_WITHIN = 5.0  # seconds for a process that was killed to be gone
PROCESS_NAME = "podwire-pod"  # of supervisors (`pod_runner.supervisor.__main__`)
LOG_FOLDER_PARTS = 3  # of a name: pod_runner.supervisor.logs.log_folder
POD_CGROUP = "pod"  # + uid, below the cgroup parent
UID_ARGUMENT = "K8S_POD_UID"  # of CNI_ARGS; other runtimes have a container id that is not the uid
_LOCK_LINE = re.compile(r"FLOCK +ADVISORY +WRITE +(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) ")


def remove_pod(uid: str, places: NodePlaces, cgroups: Cgroups) -> list[str]:
    """Remove a pod and return what could not be removed, as sentences; called again it goes on."""
    folder = Path(places.pods, uid)
    _end_supervisor(folder)
    with _kept_from_supervisors(folder) as is_ours:
        return _remove(uid, places, cgroups) if is_ours else [f"{folder}: a supervisor has just begun"]


def _remove(uid: str, places: NodePlaces, cgroups: Cgroups) -> list[str]:
    folder, path = Path(places.pods, uid), f"{places.cgroup_parent}/{POD_CGROUP}{uid}"
    said = _attempt(lambda: cgroups.kill(path))
    _end_processes(folder)
    said += _detach(uid, folder, places)
    said += _attempt(lambda: cgroups.remove(path))
    for logs in log_folders(places).get(uid, ()):
        said += _attempt(partial(remove_folder, logs))
    if not said:
        said += _attempt(lambda: (folder / ORDER).unlink(missing_ok=True))
        said += _attempt(lambda: remove_folder(folder))
    return said


@contextmanager
def _kept_from_supervisors(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; False: another has it.

    One that was forked and has not looked yet finds the lock taken, or, when that has gone, no order.
    """
    if not folder.is_dir():
        yield True
        return
    held = lock.take(folder)
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def remove_folder(folder: Path) -> None:
    """Remove a folder, whatever modes its folders have; no link is followed. Raises OSError."""
    for place, names, _ in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                path.chmod(0o700)  # overlayfs' work folder has no rights at all
    if folder.exists():
        shutil.rmtree(folder, onerror=_tolerate_gone)


def _tolerate_gone(remove: object, path: str, failure: tuple[object, BaseException, object]) -> None:
    """Go on where something went by itself (shutil.rmtree's onerror; `onexc` is Python 3.12's)."""
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def log_folders(places: NodePlaces) -> dict[str, list[Path]]:
    """Return the folders of pods' logs by uid: NAMESPACE_NAME_UID, none of which has a "_" in it."""
    found: dict[str, list[Path]] = {}
    for one in folders(Path(places.logs)):
        if one.name.count("_") == LOG_FOLDER_PARTS - 1:
            found.setdefault(one.name.rpartition("_")[2], []).append(one)
    return found


def attachments_of_pods(places: NodePlaces, uid: str | None = None) -> list[CachedAttachment]:
    """Return the cached attachments of our own pods, or of one: other runtimes may keep theirs there, too."""
    cached = ResultCache(Path(places.cni_cache)).attachments(container_id=uid)
    return [one for one in cached if dict(one.target.args).get(UID_ARGUMENT) == one.target.container_id]


def detach_cached(one: CachedAttachment, places: NodePlaces) -> None:
    """Delete an attachment as it was made; its namespace has gone. Raises CniError."""
    target = Target(
        one.target.container_id, "", one.target.ifname, one.target.args, one.target.capability_args
    )
    runtime = Runtime(PluginRunner(places.cni_path, dict(os.environ)), ResultCache(Path(places.cni_cache)))
    directory = Path(places.cni_conf_dir)
    runtime.delete(one.network, target, lambda: load_network(one.network, directory).network)


def holder(folder: Path) -> int:
    """Return which process holds the lock of a folder, 0 if none does (proc(5), /proc/locks)."""
    try:
        inode = (folder / LOCK).stat().st_ino
        lines = Path("/proc/locks").read_text()
    except OSError:  # no lock was ever taken
        return 0
    return next((int(pid) for pid, number in _LOCK_LINE.findall(lines) if int(number) == inode), 0)


def is_supervisor(pid: int) -> bool:
    """Tell whether a process is a supervisor: whoever removes a pod holds its lock, too."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == f"{PROCESS_NAME}\n"
    except OSError:  # it has ended
        return False


def _end_supervisor(folder: Path) -> None:
    """Kill whoever supervises a pod, and wait until it has gone; one that is about to leave may do so."""
    if not lock.is_held(folder) or not is_supervisor(pid := holder(folder)):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:  # it has just gone
        return
    try:
        if is_ended(folder) and select.select([descriptor], [], [], ENDS_WITHIN)[0]:
            return
        if lock.is_held(folder):  # it is still the one that was found
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], ENDS_WITHIN)
    finally:
        os.close(descriptor)


def _end_processes(folder: Path) -> None:
    """Kill the processes that the pod's state names: where there are no cgroups, these are all that is known.

    The end of a container's process 1 ends all others of its pid namespace (pid_namespaces(7)).
    """
    record = read_state(folder)
    named = [(one.pid, one.ticks) for one in record.containers.values()] + [(record.pause, record.ticks)]
    for pid, ticks in named:
        if pid and is_alive(pid, ticks):
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)


def _detach(uid: str, folder: Path, places: NodePlaces) -> Iterator[str]:
    """Delete what is cached, and what an ADD that was killed may have left without a word in the cache."""
    cached = attachments_of_pods(places, uid)
    for one in cached:
        yield from _attempt(partial(detach_cached, one, places))
    if cached or _has_left(folder):
        return
    order = read_folder(folder)
    if order is None or _has_no_network(order.pod):
        return
    try:
        name = networking.network_name(places)
    except ContainerError:  # no network is configured: nothing was attached
        return
    yield from _attempt(lambda: networking.detach(order, name, ""))


def _has_left(folder: Path) -> bool:
    """Tell whether the pod's supervisor has seen its end, and DEL's: the network is noted until then."""
    record = read_state(folder)
    return record.is_ended and not record.network


def _has_no_network(pod: dict[str, object]) -> bool:
    spec = pod.get("spec")
    return isinstance(spec, dict) and spec.get("hostNetwork") is True


def _attempt(act: Callable[[], None]) -> list[str]:
    try:
        act()
    except (OSError, CniError, ContainerError) as error:
        return [str(error)]
    return []
