"""What can be broken in a lab and mended again: a node's agent, its cable, its way to the registry.

A whole node dies in `dying`.

What is broken is not written down: it is seen.
"""

from __future__ import annotations

import json
from enum import StrEnum

from podwire.lab.blueprint import SHARED, Blueprint, RegistryKind
from podwire.lab.dying import kill_node
from podwire.lab.folder import LabFolder
from podwire.lab.ground import is_kept_away, keep_away, let_back
from podwire.lab.inside import root, run
from podwire.lab.nodes import agent_of, await_agent, kill_agent, start_agent

SHARED_FOLDER = f"{SHARED}/shared"  # with the registry that is a folder


class Part(StrEnum):
    """What can be broken."""

    AGENT = "agent"
    LINK = "link"
    REGISTRY = "registry"
    NODE = "node"  # all of it: its process 1 is killed


class Breaker:
    """One node of a lab, to be broken and mended. `pid` is its process 1, `lab` the lab's."""

    def __init__(self, blueprint: Blueprint, folder: LabFolder, lab: int, node: str, pid: int) -> None:
        self._blueprint, self._folder = blueprint, folder
        self._lab, self._node, self._pid = lab, node, pid

    def broken(self) -> list[Part]:
        """Return what is broken now."""
        whole = {
            Part.AGENT: agent_of(self._pid) != 0,
            Part.LINK: self._has_link(),
            Part.REGISTRY: self._has_registry(),
        }
        return [part for part in whole if not whole[part]]

    def break_part(self, part: Part) -> None:
        """Break it: kill the agent, take the link down, keep the registry away. What is broken stays so."""
        match part:
            case Part.AGENT:
                kill_agent(self._pid)
            case Part.LINK:
                run(self._lab, ["ip", "link", "set", self._node, "down"])
            case Part.REGISTRY:
                self._keep_registry_away()
            case Part.NODE:
                kill_node(self._blueprint, self._node, self._pid, self._lab)

    def mend(self, part: Part) -> None:
        """Undo that; what is whole stays so."""
        if part not in self.broken():
            return
        match part:
            case Part.AGENT:
                start_agent(self._folder, self._node, self._pid)
                await_agent(self._folder, self._node, self._pid)
            case Part.LINK:
                run(self._lab, ["ip", "link", "set", self._node, "up"])
            case Part.REGISTRY:
                self._let_registry_back()
            case Part.NODE:  # who has a Breaker of it has a node
                return

    def _has_link(self) -> bool:
        (link,) = json.loads(run(self._lab, ["ip", "-j", "link", "show", "dev", self._node]))
        return "UP" in link["flags"]

    def _has_registry(self) -> bool:
        if self._blueprint.registry is RegistryKind.DIRECTORY:
            return root(self._pid, f"{SHARED_FOLDER}/registry").exists()
        return not is_kept_away(self._blueprint, self._node, self._lab)

    def _keep_registry_away(self) -> None:
        """Put an empty folder over the registry's, where nothing can be made; or drop packets to etcd."""
        if not self._has_registry():
            return
        if self._blueprint.registry is RegistryKind.DIRECTORY:
            self._in_mounts(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", SHARED_FOLDER])
        else:
            keep_away(self._blueprint, self._node, self._lab)

    def _let_registry_back(self) -> None:
        if self._blueprint.registry is RegistryKind.DIRECTORY:
            self._in_mounts(["umount", SHARED_FOLDER])
        else:
            let_back(self._blueprint, self._node, self._lab)

    def _in_mounts(self, argv: list[str]) -> None:
        """Run a command in the node's mount namespace as well."""
        run(self._pid, ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "--", *argv])
