"""Names that the configuration knows: a small map, both ways, as CoreDNS's hosts plugin has it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from service_proxy.dns.body import Body
from service_proxy.dns.message import Question, wire_name
from service_proxy.model import Address

TTL = 3600  # seconds; CoreDNS's hosts
A, PTR, AAAA = 1, 12, 28
_SIZES = {A: 4, AAAA: 16}


class Hosts:
    """Answers A, AAAA and PTR; any other question for these names has an empty answer."""

    def __init__(self, hosts: Mapping[str, tuple[Address, ...]]) -> None:
        """Raises Malformed: a host that is no domain name."""
        self._forward = {wire_name(name): addresses for name, addresses in hosts.items()}
        self._reverse: dict[bytes, list[bytes]] = {}
        for name, addresses in hosts.items():
            for address in addresses:
                reverse = wire_name(ip_address(address).reverse_pointer)
                self._reverse.setdefault(reverse, []).append(wire_name(name))

    def get(self, question: Question) -> Body | None:
        """Return the answer to a question, None if its name is not here."""
        name = question.name
        if (addresses := self._forward.get(name)) is not None:
            size = _SIZES.get(question.type, 0)
            return _body(question.type, [one for one in addresses if len(one) == size])
        if (names := self._reverse.get(name)) is not None:
            return _body(PTR, names if question.type == PTR else [])
        return None


def _body(kind: int, data: list[bytes]) -> Body:
    head = b"\xc0\x0c" + kind.to_bytes(2) + b"\0\1" + TTL.to_bytes(4)
    return Body(0, (len(data), 0, 0), b"".join(head + len(one).to_bytes(2) + one for one in data), ())
