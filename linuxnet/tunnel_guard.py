"""The overlay's nft table: who may speak to the tunnels and for whom, and what is masqueraded.

`overlay.nft` beside this file is the rules. The sets of nodes are kept by netlink messages of our own, each
change in one transaction; the few networks and ports go with the rules, through libnftables.

Who may speak for which addresses is a question of prefixes. The kernel's set of intervals copies itself for
each commit (10 ms with 5,000 nodes, 35 ms with 20,000). But nodes' subnets mostly have one length, of whole
bytes: then the packet's own first bytes are the key of a hash, and a change costs the same whatever the
number of nodes. That length is the table's grain.
"""

from __future__ import annotations

import errno
import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from linuxnet import nft_messages as nft
from linuxnet.errors import KernelError
from linuxnet.netlink_socket import NETLINK_NETFILTER, NetlinkSocket, Refused
from linuxnet.nft import Nft
from linuxnet.numbers import NFT_OVERLAY_TABLE

TEXT = Path(__file__).with_name("overlay.nft")
PEER_SETS = ("peers4", "peers6", "hosts44", "hosts66")
SOURCE_SETS = ("sources44", "sources46", "sources64", "sources66")
BITS = {4: 32, 6: 128}
AT_ONCE = 1000  # elements in one transaction; 100 KiB, half of what a socket takes


@dataclass(frozen=True)
class Boundaries:
    """What changes with the configuration alone. Networks as text, ports as numbers."""

    ports: tuple[int, ...]
    gpe_ports: tuple[int, ...]
    pods: tuple[str, ...]
    plain: tuple[str, ...]
    masquerades: bool = True


@dataclass(frozen=True)
class Grain:
    """The length of all nodes' subnets by family, in bits; 0: they differ, or have no whole bytes."""

    bits4: int = 0
    bits6: int = 0

    @classmethod
    def of(cls, lengths4: Iterable[int], lengths6: Iterable[int]) -> Grain:
        """Choose it for subnets of these lengths."""
        return cls(*(_common(set(lengths)) for lengths in (lengths4, lengths6)))

    def of_family(self, version: int) -> int:
        """Return the length of a family's."""
        return self.bits6 if version == 6 else self.bits4

    def set_name(self, plain: str) -> str:
        """Return what a set of sources is called: sets of other types have other names."""
        bits = self.of_family(int(plain[-1]))
        return f"{plain}_{bits}" if bits else plain


UNEVEN = Grain()


@dataclass(frozen=True)
class Admitted:
    """One element of a set of nodes; `last` b"" where the set has no intervals."""

    name: str
    first: bytes
    last: bytes = b""


def peer(address: bytes) -> tuple[Admitted, ...]:
    """Return the elements that let a node speak to the tunnels, and for itself."""
    version = 4 if len(address) == 4 else 6
    host = Admitted(f"hosts{version}{version}", address + address)
    return Admitted(f"peers{version}", address), host


def source(grain: Grain, outer: bytes, subnet: bytes, length: int) -> Admitted:
    """Return the element that lets a node speak for a subnet."""
    version = 4 if len(subnet) == 4 else 6
    name = grain.set_name(f"sources{4 if len(outer) == 4 else 6}{version}")
    if bits := grain.of_family(version):
        return Admitted(name, outer + _padded(subnet[: bits // 8]))
    last = int.from_bytes(subnet, "big") | (1 << BITS[version] - length) - 1
    return Admitted(name, outer + subnet, outer + last.to_bytes(len(subnet), "big"))


class TunnelGuard:
    """The table, in the namespace its maker's thread was in. Close it."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_NETFILTER)
        self._nft = Nft()

    def close(self) -> None:
        """Close both ways to nf_tables."""
        self._socket.close()
        self._nft.close()

    def is_whole(self, wanted: Boundaries, grain: Grain) -> bool:
        """Tell whether every chain has as many rules as it should have, and the sets are of this grain."""
        try:
            found = self._socket.dump(nft.GET_RULE, nft.rules_body("inet", NFT_OVERLAY_TABLE))
            for name in _node_sets(grain):
                self._socket.dump(nft.GET_ELEMENT, nft.set_body("inet", NFT_OVERLAY_TABLE, name))
        except Refused as error:
            if error.errno == errno.ENOENT:
                return False
            raise KernelError(error.errno, "read nf_tables", error.said) from error
        seen = Counter(nft.read_name(body, nft.NFTA_RULE_CHAIN) for body in found)
        return seen == _rule_counts(text_of(wanted, grain))

    def load(
        self, wanted: Boundaries, grain: Grain, nodes: Iterable[Admitted] = (), *, is_new: bool = False
    ) -> None:
        """Write rules and boundaries anew, in one transaction that keeps the sets of nodes.

        `is_new`: whatever there was goes, and the sets begin with `nodes`, still in one transaction; so
        strangers find no gap. Sets of intervals are filled an instant after the rules that ask them begin
        to count (nf_tables_commit): a table that becomes uneven may lose a packet or two.

        Raises:
            KernelError: nft refused it; its words are kept.
        """
        text = text_of(wanted, grain)
        table = f"inet {NFT_OVERLAY_TABLE}"
        before = [f"add table {table}", f"delete table {table}"] if is_new else _emptying(text)
        self._nft.run("\n".join([*before, text, *_boundary_elements(wanted), *_node_elements(nodes)]))

    def seen(self, grain: Grain) -> set[Admitted]:
        """Return the nodes' elements that are there: a dump, O(nodes)."""
        found: set[Admitted] = set()
        for name in _node_sets(grain):
            for body in self._dump(nft.set_body("inet", NFT_OVERLAY_TABLE, name)):
                found |= {Admitted(name, raw.key, raw.end) for raw in nft.read_elements(body)}
        return found

    def change(self, added: Iterable[Admitted], removed: Iterable[Admitted]) -> None:
        """Add and remove elements. Raises KernelError; ENOENT says that the rules are gone, too."""
        steps = [_message(one, deletes=False) for one in added]
        steps += [_message(one, deletes=True) for one in removed]
        for i in range(0, len(steps), AT_ONCE):
            refused = self._socket.batch([nft.begin(None), *steps[i : i + AT_ONCE], nft.end()])
            if refused:
                error = refused[0][1]
                raise KernelError(
                    error.errno, f"change the sets of nft table {NFT_OVERLAY_TABLE}", error.said
                )

    def remove(self) -> None:
        """Take the table away; none there is fine."""
        self._nft.run(f"add table inet {NFT_OVERLAY_TABLE}; delete table inet {NFT_OVERLAY_TABLE}")

    def _dump(self, body: bytes) -> list[bytes]:
        try:
            return self._socket.dump(nft.GET_ELEMENT, body)
        except Refused as error:
            if error.errno == errno.ENOENT:
                return []
            raise KernelError(error.errno, "read nf_tables", error.said) from error


def _message(one: Admitted, *, deletes: bool) -> nft.Message:
    raw = nft.Raw(one.first, one.last)  # every part is a whole number of four bytes: no padding
    if deletes:
        return nft.delete_element("inet", NFT_OVERLAY_TABLE, one.name, raw)
    return nft.add_element("inet", NFT_OVERLAY_TABLE, one.name, raw, is_exclusive=False)


def text_of(wanted: Boundaries, grain: Grain) -> str:
    """Return the rules. Ports stand in rules: a new rule counts an instant before a new set's elements do."""
    text = _text_of(grain)
    for marker, chain in (("arriving", "ethernet"), ("leaving", "untracked")):
        rules = [
            f"udp dport {port} goto {'bare' if chain == 'ethernet' and port in wanted.gpe_ports else chain}"
            for port in wanted.ports
        ]
        text = re.sub(rf"# {marker}: [^\n]*", "\n\t\t".join(rules), text)
    return text


@cache
def _text_of(grain: Grain) -> str:
    text = TEXT.read_text()
    for name in SOURCE_SETS:
        version = int(name[-1])
        bits = grain.of_family(version)
        if not bits:
            continue
        declared = rf"(set {name}) (\{{ typeof .* @th,\d+),{BITS[version]}; flags interval; \}}"
        text = re.sub(declared, rf"\g<1>_{bits} \g<2>,{bits}; }}", text)
        text = re.sub(rf"(@th,\d+),{BITS[version]} @{name}\b", rf"\g<1>,{bits} @{name}_{bits}", text)
    return text


def _emptying(text: str) -> list[str]:
    """Return what empties the chains and the boundaries' sets of a table that may be there."""
    table = f"inet {NFT_OVERLAY_TABLE}"
    lines = [f"add table {table}"]
    for chain, body in _chains(text):
        hook = next((f" {{ {line} }}" for line in body if line.startswith("type ")), "")
        lines += [f"add chain {table} {chain}{hook}", f"flush chain {table} {chain}"]
    for name, declared in re.findall(r"^\tset (\w+) (\{.*\})$", text, re.MULTILINE):
        if name not in PEER_SETS and not name.startswith("sources"):
            lines += [f"add set {table} {name} {declared}", f"flush set {table} {name}"]
    return lines


def _node_sets(grain: Grain) -> list[str]:
    return [*PEER_SETS, *map(grain.set_name, SOURCE_SETS)]


def _node_elements(nodes: Iterable[Admitted]) -> list[str]:
    """Return elements in nft's words."""
    found: dict[str, list[str]] = {}
    for one in nodes:
        found.setdefault(one.name, []).append(_words(one))
    return [
        f"add element inet {NFT_OVERLAY_TABLE} {name} {{ {', '.join(all_)} }}" for name, all_ in found.items()
    ]


def _words(one: Admitted) -> str:
    size = 16 if one.name[5 if one.name.startswith(("peers", "hosts")) else 7] == "6" else 4
    outer = socket.inet_ntop(socket.AF_INET6 if size == 16 else socket.AF_INET, one.first[:size])
    if one.name.startswith("peers"):
        return outer
    bits = int(one.name.partition("_")[2] or 8 * (len(one.first) - size))
    first = f"0x{one.first[size:][: bits // 8].hex()}"
    return f"{outer} . {first}" + (f"-0x{one.last[size:].hex()}" if one.last else "")


def _common(lengths: set[int]) -> int:
    return next(iter(lengths)) if len(lengths) == 1 and not next(iter(lengths)) % 8 else 0


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _boundary_elements(wanted: Boundaries) -> list[str]:
    pods = wanted.pods if wanted.masquerades else ()
    values: Mapping[str, list[str]] = {
        "pods4": [one for one in pods if ":" not in one],
        "pods6": [one for one in pods if ":" in one],
        "plain4": [one for one in wanted.plain if ":" not in one],
        "plain6": [one for one in wanted.plain if ":" in one],
    }
    return [
        f"add element inet {NFT_OVERLAY_TABLE} {name} {{ {', '.join(found)} }}"
        for name, found in values.items()
        if found
    ]


def _rule_counts(text: str) -> Counter[str]:
    rules = {
        chain: sum(1 for line in body if line and not line.startswith(("type ", "#")))
        for chain, body in _chains(text)
    }
    return Counter(rules)


def _chains(text: str) -> list[tuple[str, list[str]]]:
    """Return (chain, lines) of the text, those that are jumped to first."""
    found = re.findall(r"^\tchain (\w+) \{\n(.*?)^\t\}$", text, re.MULTILINE | re.DOTALL)
    return [(chain, [line.strip() for line in body.splitlines()]) for chain, body in found]
