"""Mutants of the clauses about where plugins run, and by which names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from conformance.models.runtime import Attachment, Json, Runtime
from conformance.runtime.mutants.mutant import mutant


class InTheContainer(Runtime):
    """Plugins are executed in the container's network namespace."""

    def execute(self, path: Path, environment: Json, config: Json) -> subprocess.CompletedProcess[str]:
        if not environment.get("CNI_NETNS"):
            return super().execute(path, environment, config)
        entering = self.cache / f"enter-{os.getpid()}"
        entering.write_text(f'#!/bin/sh\nexec nsenter --net="$CNI_NETNS" {path}\n')
        entering.chmod(0o755)
        return super().execute(entering, environment, config)


class NamespaceStays(Runtime):
    """The container's namespace stays after del."""

    def remove_netns(self, container: str) -> None:
        print(f"/run/netns/{container} stays")


class NoNamespaceYet(Runtime):
    """Plugins are called before there is a namespace."""

    def make_netns(self, container: str) -> str:
        self.check_name(container, "container")
        return f"/run/netns/{container}"


class AnyName(Runtime):
    """Any name goes."""

    def check_name(self, name: str, what: str) -> None:
        print(f"{name} is a name of a {what}")


class NoDots(Runtime):
    """A name with a dot is refused."""

    def check_name(self, name: str, what: str) -> None:
        super().check_name(name.replace(".", "/"), what)


class FirstFolderOnly(Runtime):
    """Plugins are told the first folder of CNI_PATH alone."""

    def environment(self, verb: str, attachment: Attachment | None) -> Json:
        whole = super().environment(verb, attachment)
        return whole | {"CNI_PATH": self.cni_path.partition(":")[0]}


class NoPathForDelete(Runtime):
    """DEL is told no CNI_PATH."""

    def environment(self, verb: str, attachment: Attachment | None) -> Json:
        whole = super().environment(verb, attachment)
        return {key: value for key, value in whole.items() if (verb, key) != ("DEL", "CNI_PATH")}


MUTANTS = (
    mutant("59", InTheContainer),
    mutant("60", NamespaceStays),
    mutant("60", NoNamespaceYet),
    mutant("82", AnyName),
    mutant("82", NoDots),
    mutant("83", FirstFolderOnly),
    mutant("83", NoPathForDelete),
)
