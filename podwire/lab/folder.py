"""A lab's folder on the machine, /run/podwire/lab/NAME for root: what was asked for, logs, and a lock.

    lab.json     the blueprint; the first thing that is written, the last that goes
    log/         what agents and etcd print
    lock         held by a command that changes the lab

What runs is not written down: `finding` asks the kernel. What a node remembers is in memory of its own
mount namespace, and gone with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cni_spec.config import validate
from cni_spec.errors import DECODING_FAILURE, CniError
from cni_spec.json_input import decode_object
from podwire.lab.blueprint import Blueprint
from podwire.lab.errors import LabError
from podwire.lab.places import labs_folder, leave_labs_folder, make_labs_folder, netns_names

LOCK_WAIT = 60.0  # seconds; `lab up` of many nodes holds it for as long
LOCK_LOOK = 0.05  # seconds between looks: fcntl(2) has no wait with a deadline


class LabFolder:
    """The folder of one lab; it need not be there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = labs_folder() / name
        self.logs = self.path / "log"

    def exists(self) -> bool:
        """Tell whether there is one."""
        return self.path.is_dir()

    def make(self, blueprint: Blueprint) -> None:
        """Write down what was asked for. Raises LabError if there is such a lab."""
        if (self.path / "lab.json").exists():
            raise LabError(
                f'there is a lab "{self.name}" already: podwire lab down --name {self.name} ends it, '
                "another --name makes another one beside it"
            )
        self.logs.mkdir(parents=True, exist_ok=True)
        body = blueprint.model_dump(mode="json")
        (self.path / "lab.json").write_text(json.dumps(body, indent=4) + "\n")

    def read(self) -> Blueprint:
        """Return what was asked for. Raises LabError if there is no such lab, CniError if it is damaged."""
        path = self.path / "lab.json"
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            others = f"; there is {', '.join(lab_names())}" if lab_names() else ""
            said = f'there is no lab "{self.name}": podwire lab up makes one{others}'
            raise LabError(said) from None
        try:
            return validate(Blueprint, decode_object(text, str(path)))
        except CniError as error:
            raise CniError(DECODING_FAILURE, f"{path}: {error.msg}", error.details) from error

    def remove(self) -> None:
        """Remove the folder and the names of namespaces; those of others stay."""
        for name in self.netns_names():
            name.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # a lab of which only names were left
            shutil.rmtree(self.path)
        leave_labs_folder()

    def netns_names(self) -> list[Path]:
        """Return the names of namespaces that this lab has made: links into /proc, not mounts."""
        wanted = f"{Blueprint(name=self.name).netns_name('')}"
        folder = netns_names()
        found = folder.glob(f"{wanted}*") if folder and folder.is_dir() else iter(())
        return [one for one in found if one.is_symlink() and _is_own(one.name.removeprefix(wanted))]

    def give_name(self, blueprint: Blueprint, node: str, pid: int) -> None:
        """Let ip-netns(8) find a network namespace, for as long as its process 1 lives."""
        if (folder := netns_names()) is None:
            return
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        name = folder / blueprint.netns_name(node)
        name.unlink(missing_ok=True)
        name.symlink_to(f"/proc/{pid}/ns/net")

    def take_name(self, blueprint: Blueprint, node: str) -> None:
        """Take the name of a node's network namespace away."""
        if folder := netns_names():
            (folder / blueprint.netns_name(node)).unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lab alone. A lock of fcntl(2): it is this process's, not that of children it forks.

        Raises:
            LabError: another command has held it for a minute.
        """
        deadline = time.monotonic() + LOCK_WAIT
        while not (descriptor := self._try_lock()):
            if time.monotonic() >= deadline:
                raise LabError(f"another command has been changing the lab {self.name} for {LOCK_WAIT:.0f} s")
            time.sleep(LOCK_LOOK)
        try:
            yield
        finally:
            os.close(descriptor)
            with suppress(OSError):  # it stays where there is a lab
                if not (self.path / "lab.json").exists():
                    (self.path / "lock").unlink()
                    self.path.rmdir()
                    leave_labs_folder()

    def _try_lock(self) -> int:
        """Return a descriptor that holds the lock, 0 if another process does."""
        make_labs_folder()
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        path = self.path / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):  # held, or removed with its lab meanwhile
            pass
        os.close(descriptor)
        return 0


def _is_own(node: str) -> bool:
    """Tell whether what follows a lab's prefix is one of its own: "a-node1" is that of a lab NAME-a."""
    return node == "underlay" or (node.startswith("node") and node[4:].isdigit())


def lab_names() -> list[str]:
    """Return the names of the labs that have a folder."""
    return sorted(one.parent.name for one in labs_folder().glob("*/lab.json"))
