"""Static pods: manifests in a folder of the node, run without any store, as kubelet's are.

A pod's uid follows from its file and what stands in it, so that a changed manifest is another pod: the old
one ends, the new one begins.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread

from cluster_store.bell import Bell
from cluster_store.conditions import Conditions
from cluster_store.file_changes import EventsLost, FileChanges, FolderGone
from pod_runner.cluster.bodies import JsonObject, table, text, words
from pod_runner.cluster.metadata import time_text
from pod_runner.manifests.reading import read
from pod_runner.node.wanted import FROM_FILE, SOURCE, RefusedPod, WantedPod, wanted_pod

SUFFIXES = (".yaml", ".yml", ".json")
BAD_MANIFEST, NO_FOLDER = "BadManifest", "StaticPodsFolder"
LOOK_EVERY = 5.0  # seconds between looks for a folder that is not there
LONGEST = 1 << 20  # bytes of a manifest

Tell = Callable[[Mapping[str, WantedPod]], None]


def static_pod(body: JsonObject, path: Path, node: str, source: str = FROM_FILE) -> JsonObject:
    """Return a pod of this node alone: bound to it, named as kubelet names them, with a uid of its own."""
    digest = hashlib.sha256(json.dumps([str(path), node, body], sort_keys=True).encode()).digest()
    metadata = table(body, "metadata")
    metadata |= {
        "name": f"{text(metadata, 'name')}-{node}",
        "namespace": text(metadata, "namespace") or "default",
        "uid": str(uuid.UUID(bytes=digest[:16], version=5)),
        "annotations": words(metadata, "annotations") | {SOURCE: source},
        "creationTimestamp": time_text(path.stat().st_mtime if path.exists() else 0.0),
    }
    return {**body, "metadata": metadata, "spec": {**table(body, "spec"), "nodeName": node}}


def read_folder(folder: Path, node: str, conditions: Conditions) -> dict[str, WantedPod]:
    """Return the pods of a folder by uid; a file that is none is a condition."""
    found: dict[str, WantedPod] = {}
    bad = set[str]()
    for path in sorted(one for one in folder.iterdir() if one.suffix in SUFFIXES):
        try:
            for body in _bodies(path):
                pod = wanted_pod(static_pod(body, path, node))
                found[pod.uid] = pod
        except (OSError, ValueError, RefusedPod) as error:
            bad.add(path.name)
            conditions.tell(BAD_MANIFEST, str(error), about=path.name)
    conditions.keep_only(BAD_MANIFEST, bad)
    return found


def _bodies(path: Path) -> list[JsonObject]:
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path.name}: more than {LONGEST} bytes")
    reading = read(path.read_text(), str(path))
    if reading.errors:
        raise ValueError("; ".join(map(str, reading.errors)))
    if strangers := [one.place for one in reading.objects if one.kind != "Pod"]:
        raise ValueError(f"{', '.join(strangers)}: only pods can be static")
    return [one.body for one in reading.objects]


class StaticPods:
    """Follows the folder in a thread of its own."""

    def __init__(self, folder: Path, node: str, conditions: Conditions, tell: Tell) -> None:
        self._folder, self._node, self._conditions, self._tell = folder, node, conditions, tell
        self._bell = Bell()
        self._thread = Thread(target=self._run, name="runner-static", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; pods go on."""
        self._bell.ring()
        self._thread.join()
        self._bell.close()

    def _run(self) -> None:
        while not self._bell.has_rung:
            try:
                changes = FileChanges(self._folder)
            except OSError as error:
                self._conditions.tell(NO_FOLDER, f"{self._folder}: {error.strerror}")
                self._bell.wait(-1, LOOK_EVERY)
                continue
            try:
                self._follow(changes)
            finally:
                changes.close()

    def _follow(self, changes: FileChanges) -> None:
        """Look at the folder after each change, until it is gone or we are told to leave."""
        try:
            while not self._bell.has_rung:
                self._tell(read_folder(self._folder, self._node, self._conditions))
                self._conditions.tell(NO_FOLDER, "")
                while not (self._bell.wait(changes.fd, LOOK_EVERY) or self._bell.has_rung):
                    continue
                changes.take()
        except EventsLost:  # then everything is looked at anew
            return
        except (FolderGone, OSError) as error:
            self._conditions.tell(NO_FOLDER, f"{self._folder}: {error}; its pods go on")
