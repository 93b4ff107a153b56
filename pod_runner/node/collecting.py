"""Garbage: folders, logs, cgroups with what runs in them, attachments that belong to no pod that lives here.

What there is is found first, and who lives is asked after that: so a pod that begins meanwhile is not taken
for a dead one. A cgroup parent belongs to one node: where several share a machine, each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pod_runner.kernel.cgroups import Cgroups
from pod_runner.node.orders import folders, is_abandoned, read_folder
from pod_runner.node.removing import POD_CGROUP, attachments_of_pods, log_folders, remove_pod
from pod_runner.supervisor import lock
from pod_runner.supervisor.order import NodePlaces
from pod_runner.supervisor.state import is_ended

Living = Callable[[], Collection[str]]


@dataclass(frozen=True)
class Leftover:
    """Something that no living pod owns. `kind`: folder, log, cgroup, process or attachment."""

    kind: str
    uid: str
    what: str

    def __str__(self) -> str:
        """Return it as `podwire pod gc` tells of it."""
        return f"{self.kind} {self.what} of pod {self.uid}"


@dataclass(frozen=True)
class Collected:
    """What was found, and what of it could not be removed, as sentences by uid."""

    found: tuple[Leftover, ...]
    failed: dict[str, str]


def find(places: NodePlaces, cgroups: Cgroups) -> list[Leftover]:
    """Return everything there is of pods, living or not."""
    return [*_folders(places), *_logs(places), *_cgroups(places, cgroups), *_attachments(places)]


def collect(places: NodePlaces, cgroups: Cgroups, living: Living, *, dry_run: bool = False) -> Collected:
    """Remove what no living pod owns; `living` says which live, by uid, and is asked after all was found."""
    found = find(places, cgroups)
    alive = set(living())
    dead = tuple(one for one in found if one.uid not in alive)
    failed = {}
    for uid in dict.fromkeys(one.uid for one in dead if not dry_run):
        if said := remove_pod(uid, places, cgroups):
            failed[uid] = "; ".join(said)
    return Collected(dead, failed)


def orphans(places: NodePlaces) -> list[Path]:
    """Return the folders of pods that go on, and have no supervisor: each is to get one again."""
    return [one for one in folders(Path(places.pods)) if _is_alive(one) and not lock.is_held(one)]


def living(places: NodePlaces) -> set[str]:
    """Return which pods live, where no agent says: they have a supervisor, or should have one."""
    found = folders(Path(places.pods))
    return {one.name for one in found if lock.is_held(one) or _is_alive(one) or _is_being_made(one)}


def _is_alive(folder: Path) -> bool:
    return read_folder(folder) is not None and not is_ended(folder)


def _is_being_made(folder: Path) -> bool:
    return read_folder(folder) is None and not is_abandoned(folder)


def _folders(places: NodePlaces) -> Iterator[Leftover]:
    for folder in folders(Path(places.pods)):
        yield Leftover("folder", folder.name, str(folder))


def _logs(places: NodePlaces) -> Iterator[Leftover]:
    for uid, found in log_folders(places).items():
        for folder in found:
            yield Leftover("log", uid, str(folder))


def _cgroups(places: NodePlaces, cgroups: Cgroups) -> Iterator[Leftover]:
    for name in sorted(pod_cgroups(cgroups, places.cgroup_parent)):
        path, uid = f"{places.cgroup_parent}/{name}", name.removeprefix(POD_CGROUP)
        yield Leftover("cgroup", uid, path)
        for pid in sorted(cgroups.pids(path)):
            yield Leftover("process", uid, str(pid))


def pod_cgroups(cgroups: Cgroups, parent: str) -> set[str]:
    """Return the names of the cgroups of pods below a parent, in whatever hierarchy."""
    places = [file.parent for file in cgroups.entry_files(parent)]
    if (unified := cgroups.entry_folder(parent)) is not None:
        places.append(unified)
    return {
        one.name
        for place in places
        if place.is_dir()
        for one in place.iterdir()
        if one.name.startswith(POD_CGROUP) and one.is_dir()
    }


def _attachments(places: NodePlaces) -> Iterator[Leftover]:
    for one in attachments_of_pods(places):
        yield Leftover("attachment", one.target.container_id, f"{one.target.ifname} to {one.network}")
