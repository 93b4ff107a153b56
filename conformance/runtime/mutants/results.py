"""Mutants of the clauses about what goes from one call to the next."""

from __future__ import annotations

from conformance.models.runtime import Attachment, Json, Network, Refused, Runtime
from conformance.runtime.mutants.mutant import mutant


class NoResultBefore(Runtime):
    """No ADD is given a result."""

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        return super().added(network, plugin, attachment, None)


class EmptyResultFirst(Runtime):
    """The first ADD is given an empty result."""

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        empty = {"cniVersion": network.version, "interfaces": [], "ips": []}
        return super().added(network, plugin, attachment, previous or empty)


class FirstResultKept(Runtime):
    """DEL and CHECK are given the first plugin's result."""

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        result = super().added(network, plugin, attachment, previous)
        if previous is None:
            self.first = result
        return result

    def remember(self, network: Network, attachment: Attachment, result: Json) -> None:
        super().remember(network, attachment, self.first)


class ResultForgotten(Runtime):
    """That there was an ADD is kept, but not its result."""

    def recall(self, network: Network, attachment: Attachment) -> Json:
        found = super().recall(network, attachment)
        return found | {"result": None} if found else {}


class ChecksWithoutArgs(Runtime):
    """CHECK is given no CNI_ARGS."""

    def environment(self, verb: str, attachment: Attachment | None) -> Json:
        whole = super().environment(verb, attachment)
        return whole | ({"CNI_ARGS": ""} if verb == "CHECK" else {})


class ChecksUnsupplied(Runtime):
    """CHECK is given no runtimeConfig."""

    def ask(self, verb: str, plugin: Json, attachment: Attachment | None, config: Json) -> str:
        if verb == "CHECK":
            config.pop("runtimeConfig", None)
        return super().ask(verb, plugin, attachment, config)


class InterfacesNeeded(Runtime):
    """A result without interfaces is refused."""

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        result = super().added(network, plugin, attachment, previous)
        if not result.get("interfaces"):
            raise Refused(f"{plugin['type']} made no interface")
        return result


MUTANTS = (
    mutant("65", NoResultBefore),
    mutant("65", EmptyResultFirst),
    mutant("66", FirstResultKept),
    mutant("73", ResultForgotten),
    mutant("81", ChecksWithoutArgs),
    mutant("81", ChecksUnsupplied),
    mutant("84", InterfacesNeeded),
)
