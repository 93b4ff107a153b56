"""Mutants of the clauses about what plugins read."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.models.runtime import VERSIONS, Attachment, Json, Network, Refused, Runtime
from conformance.runtime.mutants.mutant import mutant


class OneVersion(Runtime):
    """CniVersions is not looked at."""

    def version(self, body: Json) -> str:
        return str(body["cniVersion"])


class NoFuture(Runtime):
    """A list that names an unknown version is refused."""

    def version(self, body: Json) -> str:
        for one in body.get("cniVersions", []):
            if one not in VERSIONS:
                raise Refused(f"version {one} is not known here", 1)
        return super().version(body)


class NoNull(Runtime):
    """Keys whose value is null are left out."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        whole = {key: value for key, value in plugin.items() if value is not None}
        return super().derive(network, whole, attachment, previous)


class AllKeys(Runtime):
    """A plugin reads the keys of all plugins of its list."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        others = {
            key: value for one in network.plugins for key, value in one.items() if key != "capabilities"
        }
        return super().derive(network, others | plugin, attachment, previous)


class Nameless(Runtime):
    """Plugins are not told the network's name."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        whole = super().derive(network, plugin, attachment, previous)
        return {key: value for key, value in whole.items() if key != "name"}


class AllSupplied(Runtime):
    """Every plugin is supplied with everything."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        whole = super().derive(network, plugin, attachment, previous)
        given = attachment.capabilities if attachment else {}
        return whole | ({"runtimeConfig": given} if given else {})


class NothingSupplied(Runtime):
    """Plugins are supplied with nothing."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        whole = super().derive(network, plugin, attachment, previous)
        return {key: value for key, value in whole.items() if key != "runtimeConfig"}


class CapabilitiesStay(Runtime):
    """Plugins read their capabilities."""

    def derive(
        self, network: Network, plugin: Json, attachment: Attachment | None, previous: Json | None
    ) -> Json:
        whole = super().derive(network, plugin, attachment, previous)
        return whole | ({"capabilities": plugin["capabilities"]} if "capabilities" in plugin else {})


class AlwaysTheFolder(Runtime):
    """LoadOnlyInlinedPlugins is not looked at."""

    def plugins(self, body: Json, folder: Path) -> list[Json]:
        return super().plugins({**body, "loadOnlyInlinedPlugins": False}, folder)


class TheFolderFirst(Runtime):
    """The folder's plugins come first."""

    def plugins(self, body: Json, folder: Path) -> list[Json]:
        inlined = list(body["plugins"])
        if body.get("loadOnlyInlinedPlugins"):
            return inlined
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.conf"))] + inlined


MUTANTS = (
    mutant("61", OneVersion),
    mutant("61", NoFuture),
    mutant("62", NoNull),
    mutant("62", AllKeys),
    mutant("63", Nameless),
    mutant("64", AllSupplied),
    mutant("64", NothingSupplied),
    mutant("64", CapabilitiesStay),
    mutant("86", AlwaysTheFolder),
    mutant("86", TheFolderFirst),
)
