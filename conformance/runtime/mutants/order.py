"""Mutants of the clauses about order, and about what an error stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.models.runtime import Attachment, Json, Network, Refused, Runtime
from conformance.runtime.mutants.mutant import mutant

TRY_AGAIN = 11


class MiddleFirst(Runtime):
    """DEL begins in the middle of the list."""

    def order_of_deletion(self, network: Network) -> tuple[Json, ...]:
        return (*network.plugins[1:], *network.plugins[:1])


class MissingIsFine(Runtime):
    """A plugin that is not there is passed over."""

    def ask(self, verb: str, plugin: Json, attachment: Attachment | None, config: Json) -> str:
        missing = not any(Path(folder, plugin["type"]).exists() for folder in self.cni_path.split(":"))
        return "" if missing else super().ask(verb, plugin, attachment, config)


class AddGoesOn(Runtime):
    """An ADD goes on after an error, and fails at its end."""

    error: Refused | None = None

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        try:
            return super().added(network, plugin, attachment, previous)
        except Refused as error:
            self.error = error
            return previous or {}

    def remember(self, network: Network, attachment: Attachment, result: Json) -> None:
        super().remember(network, attachment, result)
        if self.error:
            raise self.error


class AddFailsSilently(Runtime):
    """An ADD that fails does not say why."""

    def added(self, network: Network, plugin: Json, attachment: Attachment, previous: Json | None) -> Json:
        try:
            return super().added(network, plugin, attachment, previous)
        except Refused as error:
            raise Refused("the container cannot be attached", error.code) from error


class DeleteGoesOn(Runtime):
    """A DEL goes on after an error, and fails at its end."""

    def deleted(self, network: Network, attachment: Attachment) -> None:
        cached, errors = self.recall(network, attachment), []
        for plugin in self.order_of_deletion(network):
            config = self.derive(network, plugin, attachment, cached.get("result"))
            try:
                self.ask("DEL", plugin, attachment, config)
            except Refused as error:
                errors.append(error)
        if errors:
            raise errors[0]
        self.forget(network, attachment)


class DeleteSucceeds(Runtime):
    """A DEL that fails is said to have succeeded."""

    def deleted(self, network: Network, attachment: Attachment) -> None:
        try:
            super().deleted(network, attachment)
        except Refused:
            print("deleted")


class CheckGoesOn(Runtime):
    """A CHECK goes on after an error, and fails at its end."""

    error: Refused | None = None

    def ask(self, verb: str, plugin: Json, attachment: Attachment | None, config: Json) -> str:
        try:
            return super().ask(verb, plugin, attachment, config)
        except Refused as error:
            if verb != "CHECK":
                raise
            self.error = error
            return ""

    def check(self, network: Network, attachment: Attachment) -> None:
        super().check(network, attachment)
        if self.error:
            raise self.error


class CheckSucceeds(Runtime):
    """A CHECK that fails is said to have succeeded."""

    def ask(self, verb: str, plugin: Json, attachment: Attachment | None, config: Json) -> str:
        try:
            return super().ask(verb, plugin, attachment, config)
        except Refused:
            if verb != "CHECK":
                raise
            return ""


class CollectionStops(Runtime):
    """GC stops at the first error."""

    def cleaned(self, network: Network) -> Iterator[Refused]:
        for error in super().cleaned(network):
            raise error
        yield from ()


class OneErrorTold(Runtime):
    """GC tells the first error alone."""

    def cleaned(self, network: Network) -> Iterator[Refused]:
        yield from list(super().cleaned(network))[:1]


class TryAgainIsFine(Runtime):
    """Code 11 ends an ADD as a success."""

    def add(self, network: Network, attachment: Attachment) -> Json:
        try:
            return super().add(network, attachment)
        except Refused as error:
            if error.code != TRY_AGAIN:
                raise
            return {}


MUTANTS = (
    mutant("67", MiddleFirst),
    mutant("68", MissingIsFine),
    mutant("69", AddGoesOn),
    mutant("69", AddFailsSilently),
    mutant("70", DeleteGoesOn),
    mutant("70", DeleteSucceeds),
    mutant("71", CheckGoesOn),
    mutant("71", CheckSucceeds),
    mutant("72", CollectionStops),
    mutant("72", OneErrorTold),
    mutant("85", TryAgainIsFine),
)
