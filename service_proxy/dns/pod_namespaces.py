"""Which namespace a pod's address is of, by the records of the CNI plugins on this node.

A runtime gives K8S_POD_NAMESPACE to the plugins in CNI_ARGS, and libcni keeps arguments and addresses of
every attachment in `/var/lib/cni/results`. So the node knows its own pods without asking any API server.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path

from cluster_store.bell import Bell
from cluster_store.file_changes import IN_CREATE, WATCHED, EventsLost, FileChanges, FolderGone
from cni_spec.errors import CniError
from cni_spec.json_input import JsonObject, decode_object
from service_proxy.model import Address

RESULTS = Path("/var/lib/cni/results")
NAMESPACE = "K8S_POD_NAMESPACE"
LOOK_AGAIN = 60.0  # seconds; where no watch could be had
LARGEST_FILE = 4 << 20  # bytes

log = logging.getLogger("podwire.dns")


class PodNamespaces:
    """The addresses of this node's pods; `namespace_of` is a look-up, callable from any thread."""

    def __init__(self, folder: Path = RESULTS) -> None:
        self._folder = folder
        self._files: dict[str, tuple[Address, ...]] = {}
        self._pods: dict[Address, tuple[str, str]] = {}  # namespace, and the file that says so
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name="dns-pods", daemon=True)

    def start(self) -> None:
        """Read what there is, and follow it in a thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._bell.close()

    def namespace_of(self, address: Address) -> str | None:
        """Return the namespace of the pod that has an address, None if no pod here has it."""
        found = self._pods.get(address)
        return found[0] if found else None

    def _run(self) -> None:
        while not self._bell.has_rung:
            watched = _existing(self._folder)
            try:
                changes = FileChanges(watched, WATCHED | IN_CREATE)
            except OSError as error:  # it went while we looked, or there are no more watches for us
                log.info("%s cannot be watched: %s", watched, error.strerror)
                self._read_all()
                self._bell.wait(-1, LOOK_AGAIN)
                continue
            try:
                self._follow(changes, watched)
            except (FolderGone, EventsLost):  # a new watch, and everything anew
                log.debug("%s: read anew", self._folder)
            finally:
                changes.close()

    def _follow(self, changes: FileChanges, watched: Path) -> None:
        """Read all, then what changes. Returns when a folder on the way to it is new, or the bell rings."""
        self._read_all()
        if _existing(self._folder) != watched:
            return  # one came between the look and the watch
        while not self._bell.has_rung:
            self._bell.wait(changes.fd, LOOK_AGAIN)
            names = changes.take()
            if watched != self._folder:
                return
            for name in names:
                self._read(name)

    def _read_all(self) -> None:
        found = {path.name for path in self._folder.glob("[!.]*")}
        for name in found | self._files.keys():
            self._read(name)

    def _read(self, name: str) -> None:
        """Take one file's record in place of what it said before."""
        for address in self._files.pop(name, ()):
            if (found := self._pods.get(address)) and found[1] == name:  # else a newer pod has or had it
                del self._pods[address]
        if name.startswith("."):  # a temporary file of ours
            return
        known = read_record(self._folder / name)
        if known:
            self._files[name] = tuple(known)
            self._pods |= {address: (namespace, name) for address, namespace in known.items()}


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that there is: there it will come into being."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def read_record(path: Path) -> Mapping[Address, str]:
    """Return the addresses of one attachment and its namespace; nothing for a file that says neither."""
    try:
        with path.open("rb") as file:
            body = decode_object(file.read(LARGEST_FILE + 1), str(path))
        return _addresses(body)
    except FileNotFoundError:  # a pod that has gone
        return {}
    except (OSError, CniError, ValueError) as error:
        log.debug("%s: %s", path, error)
        return {}


def _addresses(body: JsonObject) -> Mapping[Address, str]:
    """Raises ValueError: an address that is none."""
    args, result = body.get("cniArgs"), body.get("result")
    pairs = [one for one in args if isinstance(one, list) and len(one) == 2] if isinstance(args, list) else []
    namespace = next((value for key, value in pairs if key == NAMESPACE), None)
    if not isinstance(namespace, str) or not namespace or not isinstance(result, dict):
        return {}
    ips = result.get("ips")
    found = [one.get("address") for one in ips if isinstance(one, dict)] if isinstance(ips, list) else []
    old = [result.get("ip4"), result.get("ip6")]  # CNI 0.2.0
    found += [one.get("ip") for one in old if isinstance(one, dict)]
    return {ip_interface(one).ip.packed: namespace for one in found if isinstance(one, str)}
