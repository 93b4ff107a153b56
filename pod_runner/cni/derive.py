"""A list and what the caller wants -> what one plugin reads on stdin (CNI 1.1.0 section 3, Deriving).

Pure. What a plugin's author wrote goes through unchanged, but for the keys that are the runtime's to set:
in any letter case, because plugins written in Go read them in any, and the last one would win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cni_spec.json_input import JsonObject
from cni_spec.network_list import NetworkList, PluginEntry
from cni_spec.result import read_result

_RUNTIMES_KEYS = frozenset({"name", "cniversion", "prevresult", "capabilities"})
# The text tagged 1.1.0 and the one after it differ in the key; a runtime sends both.
GC_KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")


@dataclass(frozen=True)
class Target:
    """What is to be attached: the caller's half of an operation.

    `netns` is a path, "" where the namespace is gone. `args` become CNI_ARGS; `capability_args` are
    handed to those plugins that declare the capability.
    """

    container_id: str
    netns: str
    ifname: str
    args: tuple[tuple[str, str], ...] = ()
    capability_args: Mapping[str, object] = field(default_factory=dict)


def derive(
    network: NetworkList,
    plugin: PluginEntry,
    *,
    capability_args: Mapping[str, object] | None = None,
    prev_result: JsonObject | None = None,
) -> JsonObject:
    """Return what one plugin reads for ADD, DEL, CHECK and STATUS."""
    body = _written(plugin)
    supplied = {
        key: (capability_args or {})[key]
        for key in sorted(plugin.capabilities)
        if key in (capability_args or {})
    }
    if supplied:
        body = {key: value for key, value in body.items() if key.casefold() != "runtimeconfig"}
        body["runtimeConfig"] = supplied
    body |= {"name": network.name, "cniVersion": network.version}
    if prev_result is not None:
        body["prevResult"] = prev_result
    return body


def derive_gc(network: NetworkList, plugin: PluginEntry, valid: Iterable[tuple[str, str]]) -> JsonObject:
    """Return what one plugin reads for GC; `valid` are the container ids and interfaces still wanted."""
    listed = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in sorted(valid)]
    return derive(network, plugin) | dict.fromkeys(GC_KEYS, listed)


def in_version(result: JsonObject, version: str) -> JsonObject:
    """Return a result in another version's form; one that is of this version stays as the plugin wrote it.

    Raises:
        CniError: it is no result, or the version cannot say it.
    """
    read = read_result(result, version)
    if result.get("cniVersion") in (None, "", version):
        return {**result, "cniVersion": version}
    return read.to_json(version)


def _written(plugin: PluginEntry) -> JsonObject:
    return {
        key: value
        for key, value in plugin.body.items()
        if key.casefold() not in _RUNTIMES_KEYS and not key.startswith("cni.dev/")
    }
