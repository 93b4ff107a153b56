"""Mutants of the clauses about when a verb is called, and about what goes on at one time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.models.runtime import Attachment, Json, Network, Refused, Runtime
from conformance.runtime.mutants.mutant import mutant


class ChecksNothing(Runtime):
    """CHECK goes to the plugins though nothing was added."""

    def check(self, network: Network, attachment: Attachment) -> None:
        if self.recall(network, attachment):
            return super().check(network, attachment)
        for plugin in network.plugins:
            self.ask("CHECK", plugin, attachment, self.derive(network, plugin, attachment, None))
        return None


class ChecksWhereDisabled(Runtime):
    """DisableCheck is not looked at."""

    def check(self, network: Network, attachment: Attachment) -> None:
        network.body.pop("disableCheck", None)
        super().check(network, attachment)


class FailsWhereDisabled(Runtime):
    """A check fails where the list has disableCheck."""

    def check(self, network: Network, attachment: Attachment) -> None:
        if network.is_set("disableCheck"):
            raise Refused("disableCheck is set")
        super().check(network, attachment)


class NeverForgets(Runtime):
    """CHECK goes on after DEL."""

    def forget(self, network: Network, attachment: Attachment) -> None:
        print(f"{attachment.container} is kept in mind")


class CollectsWhereDisabled(Runtime):
    """DisableGC is not looked at."""

    def collect(self, network: Network) -> None:
        network.body.pop("disableGC", None)
        super().collect(network)


class TwoAtATime(Runtime):
    """Operations for one container do not wait for each other."""

    @contextmanager
    def operation(self, container: str) -> Iterator[None]:
        with self.locked("gc", fcntl.LOCK_SH):
            yield


class CollectsMeanwhile(Runtime):
    """GC does not wait for what is being added."""

    @contextmanager
    def collection(self) -> Iterator[None]:
        yield


class AddsAgain(Runtime):
    """What is attached is added again."""

    def refuse_second(self, network: Network, attachment: Attachment) -> None:
        print(f"{attachment.container} comes again, or for the first time")


class FailedIsForgotten(Runtime):
    """After a failed ADD there is no DEL, nor by del."""

    def take_back(
        self, network: Network, begun: list[Json], attachment: Attachment, result: Json | None
    ) -> None:
        print(f"{len(begun)} plugins were called")

    def deleted(self, network: Network, attachment: Attachment) -> None:
        if self.recall(network, attachment):
            super().deleted(network, attachment)


class ForgetsWhatIsStale(Runtime):
    """GC forgets what is stale; no DEL comes for it any more."""

    def delete_stale(self, network: Network) -> Iterator[Refused]:
        for path in self.cache.glob("*.json"):
            path.unlink()
        yield from ()

    def deleted(self, network: Network, attachment: Attachment) -> None:
        if self.recall(network, attachment):
            super().deleted(network, attachment)


class DisabledByItself(Runtime):
    """Checks are disabled unless the list says otherwise."""

    def check(self, network: Network, attachment: Attachment) -> None:
        network.body.setdefault("disableCheck", True)
        super().check(network, attachment)


class CollectionDisabled(Runtime):
    """GC is disabled unless the list says otherwise."""

    def collect(self, network: Network) -> None:
        network.body.setdefault("disableGC", True)
        super().collect(network)


MUTANTS = (
    mutant("74", ChecksNothing),
    mutant("74", ChecksWhereDisabled),
    mutant("74", FailsWhereDisabled),
    mutant("74", NeverForgets),
    mutant("75", CollectsWhereDisabled),
    mutant("76", TwoAtATime),
    mutant("77", CollectsMeanwhile),
    mutant("78", AddsAgain),
    mutant("79", FailedIsForgotten),
    mutant("80", ForgetsWhatIsStale),
    mutant("87", DisabledByItself),
    mutant("87", CollectionDisabled),
)
