"""The elements of our tables by key, by owner and by network: what a ruleset looked like at one generation.

Pure: filled from what the kernel showed, kept in step by whoever commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from linuxnet.nft_element import Element
from linuxnet.nft_keys import decode_data, decode_key, encode_data, encode_key, set_types
from linuxnet.nft_messages import Raw


@dataclass(frozen=True)
class Stored:
    """An element where it is: the set's family and name, and its bytes. The comment is its owner's mark."""

    family: str
    name: str
    raw: Raw

    @property
    def place(self) -> tuple[str, str, bytes]:
        """Return what no other element has."""
        return self.family, self.name, self.raw.key

    @property
    def mark(self) -> str:
        """Return its owner's mark, or its network for what a network shares."""
        return self.raw.comment

    @property
    def element(self) -> Element:
        """Return it in nft's words."""
        kind = set_types()[self.family, self.name]
        data = decode_data(kind, self.raw.data) if kind.data else ""
        return Element(self.family, self.name, decode_key(kind, self.raw.key, self.raw.end), data)


def store(element: Element, mark: str) -> Stored:
    """Return an element as the kernel will hold it; what is shared carries its network's name alone."""
    kind = set_types()[element.family, element.name]
    key, end = encode_key(kind, element.key)
    data = encode_data(kind, element.data) if kind.data else b""
    comment = network_of(mark) if element.shared else mark
    return Stored(element.family, element.name, Raw(key, end, data, comment))


def network_of(mark: str) -> str:
    """Return the first part of a mark, which stands for the network (`linuxnet.owner`)."""
    return mark.split(" ")[0]


class ElementIndex:
    """Elements, and who has them. All look-ups are O(1) or O(what is found)."""

    def __init__(self, elements: Iterable[Stored] = ()) -> None:
        self._all: dict[tuple[str, str, bytes], Stored] = {}
        self._owned: dict[str, set[Stored]] = {}
        self._marks: dict[str, set[str]] = {}
        for one in elements:
            self.add(one)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Stored]:
        return iter(list(self._all.values()))

    def add(self, one: Stored) -> None:
        """Note an element; one that is there already stays as it is, as in the kernel."""
        if one.place in self._all:
            return
        self._all[one.place] = one
        self._owned.setdefault(one.mark, set()).add(one)
        self._marks.setdefault(network_of(one.mark), set()).add(one.mark)

    def remove(self, one: Stored) -> None:
        """Forget an element."""
        seen = self._all.pop(one.place, None)
        if seen is None:
            return
        owned = self._owned[seen.mark]
        owned.discard(seen)
        if not owned:
            del self._owned[seen.mark]
            marks = self._marks[network_of(seen.mark)]
            marks.discard(seen.mark)
            if not marks:
                del self._marks[network_of(seen.mark)]

    def get(self, family: str, name: str, key: bytes) -> Stored | None:
        """Return the element with a key."""
        return self._all.get((family, name, key))

    def owned(self, mark: str) -> tuple[Stored, ...]:
        """Return what carries a mark."""
        return tuple(self._owned.get(mark, ()))

    def marks(self, network: str) -> frozenset[str]:
        """Return the marks whose first part is this: attachments, and the network for what they share."""
        return frozenset(self._marks.get(network, ()))
