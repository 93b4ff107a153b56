"""In which batches entries are changed, and which entry was refused. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from linuxnet import nft_messages as nft
from linuxnet.errors import KernelError
from linuxnet.netlink_socket import Refused
from linuxnet.numbers import NFT_SERVICES_TABLE
from linuxnet.service_entries import Entry, kind_of
from linuxnet.service_rules import TABLE
from linuxnet.service_wire import Part, refused_entry

# Sets that make packets come; what they lead to is in the others
_LAST = {"services", "outside", "nodeports", "outside_nodeports", "sticky", "nodeport_sticky", "cluster_ips"}


def batches(
    added: Collection[Entry], removed: Collection[Entry], at_once: int
) -> Iterable[tuple[Sequence[Entry], Sequence[Entry]]]:
    """Yield (removed, added) of each batch: what is led to comes before what leads to it, and goes last."""
    if len(added) + len(removed) <= at_once:
        if added or removed:
            yield sorted(removed, key=_name), sorted(added, key=_name)
        return
    old = {(entry.name, entry.key): entry for entry in removed}
    pairs = [(old.pop((entry.name, entry.key), None), entry) for entry in sorted(added, key=_rank)]
    for i in range(0, len(pairs), at_once // 2):
        some = pairs[i : i + at_once // 2]
        yield [before for before, _ in some if before is not None], [entry for _, entry in some]
    rest = sorted(old.values(), key=_rank, reverse=True)
    for i in range(0, len(rest), at_once):
        yield rest[i : i + at_once], ()


def _name(entry: Entry) -> str:
    return entry.name


def _rank(entry: Entry) -> tuple[bool, str]:
    return kind_of(entry.name)[0] in _LAST, entry.name


def refusal(sent: Sequence[Part], position: int, error: Refused) -> KernelError:
    """Return what a batch's first refusal says, `position` being that of its message."""
    if not 1 <= position <= len(sent):
        return KernelError(error.errno, f"change nft table {NFT_SERVICES_TABLE}", error.said)
    part = sent[position - 1]
    verb = "delete" if part.message[0] == nft.DELETE_ELEMENT else "add"
    return KernelError(error.errno, f"{verb} element {TABLE} {refused_entry(part, error.offset)}", error.said)
