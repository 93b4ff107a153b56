"""Domain names as they are in messages (RFC 1035 section 3.1): labels with their lengths before them.

All names here are in lower case, but for those of a query. `bytes.lower` is safe on a whole name: a length
is 63 at most, and letters begin at 65.
"""

from __future__ import annotations

import string
from ipaddress import ip_address

from linuxnet.packed import text_of
from service_proxy.model import Address

LABEL_MAX = 63  # bytes; RFC 1035 section 2.3.4
NAME_MAX = 255  # bytes, lengths and root included; the same
IN_ADDR_ARPA = b"\x07in-addr\x04arpa\x00"
IP6_ARPA = b"\x03ip6\x04arpa\x00"

_SAFE = frozenset((string.ascii_letters + string.digits + "-_").encode())
_NIBBLES = {ord(one): value for value, one in enumerate(string.hexdigits[:16])}


def label(text: str) -> bytes | None:
    """Return a label in wire form and lower case; None if it can be none.

    Letters, digits, `-` and `_` are let through: what Kubernetes' names are made of, and a little more.
    """
    raw = text.encode("utf-8", "replace").lower()
    if not 0 < len(raw) <= LABEL_MAX or not _SAFE.issuperset(raw):
        return None
    return bytes((len(raw),)) + raw


def domain(text: str) -> bytes | None:
    """Return a whole name in wire form and lower case, its last dot there or not; None if it is none."""
    labels = [label(one) for one in text.removesuffix(".").split(".")]
    wire = b"".join(one for one in labels if one is not None) + b"\x00"
    return None if None in labels or len(wire) > NAME_MAX else wire


def split(name: bytes) -> list[bytes] | None:
    """Return the labels of a name or of its beginning, without their lengths; None if it ends within one."""
    labels, at = [], 0
    while at < len(name):
        end = at + 1 + name[at]
        labels.append(name[at + 1 : end])
        at = end
    return labels if at == len(name) else None


def dashed(address: Address) -> bytes:
    """Return an address as a label without its length: 10-244-1-6, fd00--5."""
    return text_of(address).replace("." if len(address) == 4 else ":", "-").encode()


def undashed(label_bytes: bytes) -> Address | None:
    """Return the address that a label without its length spells, any way of writing it; None if none."""
    text = label_bytes.decode("ascii", "replace")
    is_v4 = text.count("-") == 3 and "--" not in text
    try:
        return ip_address(text.replace("-", "." if is_v4 else ":")).packed
    except ValueError:
        return None


def reversed_address(name: bytes) -> Address | None:
    """Return the address that a reverse name is of (RFC 1035 section 3.5, RFC 3596 section 2.5), if it is."""
    if name.endswith(IN_ADDR_ARPA):
        return _from_octets(split(name[: -len(IN_ADDR_ARPA)]))
    if name.endswith(IP6_ARPA) and len(name) == 64 + len(IP6_ARPA):
        return _from_nibbles(name[1:64:2])
    return None


def _from_octets(labels: list[bytes] | None) -> Address | None:
    if labels is None or len(labels) != 4 or not all(one.isdigit() and len(one) <= 3 for one in labels):
        return None
    numbers = [int(one) for one in reversed(labels)]
    return bytes(numbers) if max(numbers) < 256 else None


def _from_nibbles(nibbles: bytes) -> Address | None:
    values = [_NIBBLES.get(one, -1) for one in reversed(nibbles)]
    if -1 in values:
        return None
    return bytes(high << 4 | low for high, low in zip(values[::2], values[1::2], strict=True))
