"""The five operations of a runtime (CNI 1.1.0 section 3), as libcni does them, with its gaps closed.

An ADD that fails leaves nothing: what was added is deleted again. CHECK and DEL are asked what ADD was
asked. Operations on one container wait for each other, and all of them for GC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cni_spec.errors import (
    INCOMPATIBLE_VERSION,
    INTERFACE_EXISTS,
    INVALID_ENVIRONMENT,
    UNKNOWN_CONTAINER,
    CniError,
)
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.names import check_container_id, check_ifname
from cni_spec.network_list import NetworkList, PluginEntry
from cni_spec.request import Verb
from cni_spec.versions import is_at_least
from pod_runner.cni.cache import CachedAttachment, ResultCache
from pod_runner.cni.derive import Target, derive, derive_gc, in_version
from pod_runner.cni.locks import OperationLocks
from pod_runner.cni.recall import recall
from pod_runner.cni.runner import PluginRunner

Configured = Callable[[], NetworkList]


class Runtime:
    """What carries out operations; `remarks` tells what there is to say although they went well."""

    def __init__(self, runner: PluginRunner, cache: ResultCache) -> None:
        self.remarks: list[str] = []
        self._runner = runner
        self._cache = cache
        self._locks = OperationLocks(cache.directory.parent)

    def add(self, network: NetworkList, target: Target) -> JsonObject:
        """Attach a container and return the last plugin's result.

        Raises:
            CniError: the first plugin's error; what was added has been deleted again.
        """
        _check_target(target, needs_netns=True)
        with self._locks.attachment(target.container_id):
            self._require_unattached(network, target)
            return self._add(network, target)

    def delete(self, name: str, target: Target, configured: Configured) -> None:
        """Detach a container; `configured` reads the network's list where the cache holds none.

        Raises:
            CniError: the first plugin's error; the cache keeps the attachment.
        """
        _check_target(target, needs_netns=False)
        with self._locks.attachment(target.container_id):
            self._delete(name, target, configured)

    def check(self, name: str, target: Target, configured: Configured) -> None:
        """Ask every plugin whether the attachment is as ADD left it.

        Raises:
            CniError: the first plugin's error; code 1 below 0.4.0, code 3 without an ADD before.
        """
        _check_target(target, needs_netns=False)
        with self._locks.attachment(target.container_id):
            added = recall(self._cache, name, target, configured, _tolerate_nothing)
            network = added.network
            if network.disable_check:
                self.remarks.append(f"network {name} sets disableCheck: nothing was asked")
                return
            if not is_at_least(network.version, "0.4.0"):
                raise CniError(
                    INCOMPATIBLE_VERSION, f"network {name}: version {network.version} has no CHECK"
                )
            if added.result is None:
                raise CniError(UNKNOWN_CONTAINER, f"{_said(name, target)} was not added")
            for plugin in network.plugins:
                self._ask(network, plugin, Verb.CHECK, added.target, added.result)

    def gc(self, network: NetworkList, valid: Iterable[tuple[str, str]]) -> None:
        """Delete what is cached but not `valid` (container ids with interfaces), then let plugins clean.

        Raises:
            ExceptionGroup: all errors, after everything was tried (CNI 1.1.0, GC).
        """
        if network.disable_gc:
            self.remarks.append(f"network {network.name} sets disableGC: nothing was asked")
            return
        wanted = frozenset(valid)
        with self._locks.collection():
            errors = [*self._delete_stale(network, wanted), *self._collect(network, wanted)]
        if errors:
            raise ExceptionGroup(f"GC of network {network.name}", errors)

    def status(self, network: NetworkList) -> None:
        """Ask every plugin whether an ADD would be served; below 1.1.0 there is nobody to ask.

        Raises:
            CniError: the first plugin's error.
        """
        if not is_at_least(network.version, "1.1.0"):
            self.remarks.append(f"network {network.name}: version {network.version} has no STATUS")
            return
        for plugin in network.plugins:
            self._runner.run(plugin, Verb.STATUS, None, derive(network, plugin))

    def attachments(self, name: str) -> list[CachedAttachment]:
        """Return what the cache knows to be attached to a network."""
        return self._cache.attachments(name)

    def _require_unattached(self, network: NetworkList, target: Target) -> None:
        try:
            cached = self._cache.read(network.name, target)
        except CniError as error:
            self.remarks.append(f"the cache is overwritten: {error.msg}")
            return
        if cached is not None:
            raise CniError(
                INTERFACE_EXISTS, f"{_said(network.name, target)} was added before; delete it first"
            )

    def _add(self, network: NetworkList, target: Target) -> JsonObject:
        result: JsonObject | None = None
        begun: list[PluginEntry] = []
        try:
            for plugin in network.plugins:
                begun.append(plugin)
                stdout = self._ask(network, plugin, Verb.ADD, target, result)
                result = _read_stdout(stdout, network, plugin)
            assert result is not None, "a network has at least one plugin"
            self._cache.write(CachedAttachment.of(network, target, result))
            return result
        except BaseException as cause:  # an interrupt too must leave nothing
            self._take_back(network, begun, target, result, cause)
            raise

    def _take_back(
        self,
        network: NetworkList,
        begun: list[PluginEntry],
        target: Target,
        result: JsonObject | None,
        cause: BaseException,
    ) -> None:
        """Delete after a failed ADD, the plugin that failed first; what fails now is a note on the cause."""
        for plugin in reversed(begun):
            try:
                self._ask(network, plugin, Verb.DEL, target, result)
            except CniError as error:
                cause.add_note(f"taking it back: {error.msg}")

    def _delete(self, name: str, target: Target, configured: Configured) -> None:
        def tolerate(error: CniError) -> None:
            self.remarks.append(f"DEL goes on without what is cached: {error.msg}")

        added = recall(self._cache, name, target, configured, tolerate)
        for plugin in reversed(added.network.plugins):
            self._ask(added.network, plugin, Verb.DEL, added.target, added.result)
        self._cache.remove(name, target)

    def _delete_stale(self, network: NetworkList, wanted: frozenset[tuple[str, str]]) -> Iterable[CniError]:
        for cached in self._cache.attachments(network.name):
            target = cached.target
            if (target.container_id, target.ifname) in wanted:
                continue
            try:
                self._delete(network.name, target, lambda: network)
            except CniError as error:
                yield error

    def _collect(self, network: NetworkList, wanted: frozenset[tuple[str, str]]) -> Iterable[CniError]:
        if not is_at_least(network.version, "1.1.0"):
            return
        for plugin in network.plugins:
            try:
                self._runner.run(plugin, Verb.GC, None, derive_gc(network, plugin, wanted))
            except CniError as error:
                yield error

    def _ask(
        self,
        network: NetworkList,
        plugin: PluginEntry,
        verb: Verb,
        target: Target,
        result: JsonObject | None,
    ) -> bytes:
        is_told = verb is Verb.ADD or is_at_least(network.version, "0.4.0")  # DEL has prevResult since then
        previous = result if is_told else None
        body = derive(network, plugin, capability_args=target.capability_args, prev_result=previous)
        return self._runner.run(plugin, verb, target, body)


def _read_stdout(stdout: bytes, network: NetworkList, plugin: PluginEntry) -> JsonObject:
    if stdout.strip() == b"null":  # libcni takes it for a result that says nothing
        return {"cniVersion": network.version}
    return in_version(decode_object(stdout, f"result of {plugin.type}"), network.version)


def _check_target(target: Target, *, needs_netns: bool) -> None:
    try:
        check_container_id(target.container_id)
        check_ifname(target.ifname)
    except ValueError as error:
        raise CniError(INVALID_ENVIRONMENT, str(error)) from error
    if needs_netns and not target.netns:
        raise CniError(INVALID_ENVIRONMENT, "expected the path of a network namespace, came nothing")


def _tolerate_nothing(error: CniError) -> None:
    raise error


def _said(name: str, target: Target) -> str:
    return f"interface {target.ifname} of container {target.container_id} on network {name}"
