"""Configuration lists, as runtimes read them (CNI 1.1.0 section 1, Network configuration format).

Bytes and the name of their file go in, a `NetworkList` comes out; which files there are is the runtime's
business. Keys of a list are taken in their exact spelling, as libcni takes them; keys of a plugin in any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BeforeValidator, Field

from cni_spec.config import M, Remarks, SpecModel, fold_keys, validate
from cni_spec.errors import INCOMPATIBLE_VERSION, INVALID_CONFIG, CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.names import NetworkName
from cni_spec.versions import ALL_VERSIONS, ASSUMED_VERSION, LATEST_VERSION, is_at_least, parse_version


@dataclass(frozen=True)
class PluginEntry:
    """One plugin of a list: its configuration as written, and the capabilities it declares as true."""

    type: str
    body: JsonObject
    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NetworkList:
    """A network: the plugins that make an attachment to it, in the order of ADD.

    `version` is the one all of them are asked to speak. `source` is the file it came from.
    """

    name: str
    version: str
    plugins: tuple[PluginEntry, ...]
    source: str
    disable_check: bool = False
    disable_gc: bool = False
    load_only_inlined: bool = False  # else files beside the list may add plugins

    def with_plugins(self, added: tuple[PluginEntry, ...]) -> NetworkList:
        """Return the network with the plugins of its drop-in directory after its own."""
        return replace(self, plugins=self.plugins + added)

    def to_json(self) -> JsonObject:
        """Return the whole network as one list that needs no files beside it."""
        return {
            "cniVersion": self.version,
            "name": self.name,
            "disableCheck": self.disable_check,
            "disableGC": self.disable_gc,
            "loadOnlyInlinedPlugins": True,
            "plugins": [plugin.body for plugin in self.plugins],
        }

    def require_plugins(self) -> None:
        """Refuse a network that consists of nothing. Raises CniError 7."""
        if not self.plugins:
            raise CniError(INVALID_CONFIG, f"{self.source}: network {self.name} has no plugins")


def _spelled_boolean(value: object) -> object:
    """Take "true" and "false" in any letter case for booleans, as libcni does."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


_Boolean = Annotated[bool, BeforeValidator(_spelled_boolean)]


class _ListFile(SpecModel):
    cni_version: str | None = Field(None, alias="cniVersion")
    cni_versions: tuple[str, ...] | None = Field(None, alias="cniVersions")
    name: NetworkName
    disable_check: _Boolean = Field(False, alias="disableCheck")
    disable_gc: _Boolean = Field(False, alias="disableGC")
    load_only_inlined: _Boolean = Field(False, alias="loadOnlyInlinedPlugins")
    plugins: tuple[JsonObject, ...] | None = None


class _PluginFile(SpecModel):
    type: str = Field(min_length=1)
    capabilities: dict[str, bool] = Field(default_factory=dict)


class _SingleFile(_PluginFile):
    cni_version: str | None = Field(None, alias="cniVersion")
    name: NetworkName


def parse_network_list(data: bytes, source: str) -> NetworkList:
    """Read a `.conflist` file; its drop-in directory is for the caller to add.

    Raises:
        CniError: code 6 for what is no JSON, 7 for what is no list, 1 if it names no version we speak.
    """
    body = decode_object(data, source)
    parsed = _judge(_ListFile, body, source)
    if parsed.plugins is None and parsed.load_only_inlined:
        raise CniError(INVALID_CONFIG, f'{source}: loadOnlyInlinedPlugins is true, but "plugins" is missing')
    if parsed.plugins is not None and not parsed.plugins:
        raise CniError(INVALID_CONFIG, f"{source}: plugins: expected at least one, came an empty list")
    return NetworkList(
        name=parsed.name,
        version=choose_version(parsed.cni_version, parsed.cni_versions, source),
        plugins=tuple(_entry(one, f"{source}: plugins.{n}") for n, one in enumerate(parsed.plugins or ())),
        source=source,
        disable_check=parsed.disable_check,
        disable_gc=parsed.disable_gc,
        load_only_inlined=parsed.load_only_inlined,
    )


def parse_single(data: bytes, source: str) -> NetworkList:
    """Read a `.conf` or `.json` file, a network of one plugin (CNI before 1.0.0), as a list of one.

    Raises:
        CniError: as `parse_network_list` does.
    """
    body = decode_object(data, source)
    parsed = _judge(_SingleFile, fold_keys(_SingleFile, body, "", Remarks()), source)
    version = choose_version(parsed.cni_version, None, source)
    return NetworkList(parsed.name, version, (_entry(body, source),), source)


def parse_plugin(data: bytes, source: str) -> PluginEntry:
    """Read a drop-in file, one plugin of a list. Raises CniError 6 or 7."""
    return _entry(decode_object(data, source), source)


def choose_version(given: str | None, alternatives: tuple[str, ...] | None, source: str = "list") -> str:
    """Return the highest version that the list allows and we speak (CNI 1.1.0 section 1).

    Raises:
        CniError: code 1 if there is none, code 6 for something that is no version.
    """
    offered = [*(alternatives or ()), *([given] if given else [])] or [ASSUMED_VERSION]
    spoken = [version for version in sorted(offered, key=parse_version) if version in ALL_VERSIONS]
    if not spoken:
        newer = all(not is_at_least(LATEST_VERSION, version) for version in offered)
        why = f"newer than {LATEST_VERSION}" if newer else f"none of {', '.join(ALL_VERSIONS)}"
        raise CniError(INCOMPATIBLE_VERSION, f"{source}: cniVersion {', '.join(offered)} is {why}")
    return spoken[-1]


def _entry(body: JsonObject, where: str) -> PluginEntry:
    parsed = _judge(_PluginFile, fold_keys(_PluginFile, body, "", Remarks()), where)
    enabled = frozenset(name for name, is_enabled in parsed.capabilities.items() if is_enabled)
    return PluginEntry(parsed.type, body, enabled)


def _judge(model: type[M], body: JsonObject, where: str) -> M:
    try:
        return validate(model, body)
    except CniError as error:
        raise CniError(error.code, f"{where}: {error.msg}", error.details) from error
