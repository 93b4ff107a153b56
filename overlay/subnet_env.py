"""subnet.env: what flannel tells its CNI plugin, and ours: subnets, MTU, who masquerades.

The file's form and the order of its lines are flannel's, so that either's plugin reads either's file. It is
replaced as a whole: nobody reads half of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from overlay.subnet import BITS, Subnet, enclosing, parse_address, parse_subnet

LEAST_MTU, LARGEST_MTU = 68, 65535  # bytes; ETH_MIN_MTU and ETH_MAX_MTU in linux/if_ether.h


@dataclass(frozen=True)
class SubnetEnv:
    """The file's content. `subnets` of both families; flannel's come first, further blocks behind them.

    `mtu` in bytes, for pods; `ip_masq`: the node masquerades, and plugins need not.
    """

    networks: tuple[Subnet, ...]
    subnets: tuple[Subnet, ...]
    mtu: int
    ip_masq: bool

    def dump(self) -> str:
        """Return the file's text."""
        lines = []
        for version, prefix in ((4, "FLANNEL_"), (6, "FLANNEL_IPV6_")):
            networks = [one for one in self.networks if one.version == version]
            subnets = [one for one in self.subnets if one.version == version]
            if networks and subnets:
                lines.append(f"{prefix}NETWORK={','.join(map(str, networks))}")
                lines.append(f"{prefix}SUBNET={_gateway(subnets[0])}")
        lines += [f"FLANNEL_MTU={self.mtu}", f"FLANNEL_IPMASQ={'true' if self.ip_masq else 'false'}"]
        for version, name in ((4, "PODWIRE_BLOCKS"), (6, "PODWIRE_IPV6_BLOCKS")):
            blocks = [one for one in self.subnets if one.version == version][1:]
            lines += [f"{name}={','.join(map(_gateway, blocks))}"] if blocks else []
        return "\n".join(lines) + "\n"


def parse_subnet_env(text: str) -> SubnetEnv:
    """Read the file's text. Raises ValueError naming the line that is wrong or missing."""
    said = _lines(text)
    networks = [one for name in _NETWORKS if name in said for one in _read(said, name, _networks)]
    subnets = [one for name in _SUBNETS if name in said for one in _read(said, name, _subnets)]
    if "FLANNEL_MTU" not in said:
        raise ValueError("the line FLANNEL_MTU is missing")
    if not networks or not subnets:
        raise ValueError("the lines FLANNEL_NETWORK and FLANNEL_SUBNET are missing, or those of IPv6")
    ip_masq = "FLANNEL_IPMASQ" in said and _read(said, "FLANNEL_IPMASQ", _switch)
    return SubnetEnv(tuple(networks), tuple(subnets), _read(said, "FLANNEL_MTU", _mtu), ip_masq)


_NETWORKS = ("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK")
_SUBNETS = ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET", "PODWIRE_BLOCKS", "PODWIRE_IPV6_BLOCKS")
T = TypeVar("T")


def write_subnet_env(path: Path, content: SubnetEnv) -> bool:
    """Replace the file if it says something else; return whether it did. Raises OSError."""
    text = content.dump()
    try:
        if path.read_text() == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):  # the first time, or not ours
        pass
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(path)
    return True


def _gateway(subnet: Subnet) -> str:
    return f"{subnet.nth(1)}/{subnet.length}"


def _read(said: Mapping[str, tuple[int, str]], name: str, parse: Callable[[str], T]) -> T:
    """Read the value of a line. Raises ValueError naming it."""
    number, value = said[name]
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"line {number}, {name}: {error}") from None


def _networks(text: str) -> list[Subnet]:
    return [parse_subnet(part.strip()) for part in text.split(",") if part.strip()]


def _subnets(text: str) -> list[Subnet]:
    return [_of_gateway(part.strip()) for part in text.split(",") if part.strip()]


def _of_gateway(text: str) -> Subnet:
    address, _, length = text.partition("/")
    version, _ = parse_address(address)
    if not (length.isascii() and length.isdigit() and int(length) <= BITS[version]):
        raise ValueError(f"{text[:60]!r} is no address with a length")
    return enclosing(address, int(length))


def _mtu(text: str) -> int:
    if not (text.isascii() and text.isdigit() and LEAST_MTU <= int(text[:6]) <= LARGEST_MTU):
        raise ValueError(f"expected an MTU of {LEAST_MTU} to {LARGEST_MTU} bytes, came {text[:20]!r}")
    return int(text)


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, came {text[:20]!r}")
    return text == "true"


def _lines(text: str) -> dict[str, tuple[int, str]]:
    """Return the number of its line and its value for each name."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"line {number} is no NAME=VALUE: {line[:60]!r}")
            found[name.strip()] = number, value.strip()
    return found
