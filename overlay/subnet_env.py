"""subnet.env: what flannel tells its CNI plugin, and ours: subnets, MTU, who masquerades.

The file's form and the order of its lines are flannel's, so that either's plugin reads either's file. It is
replaced as a whole: nobody reads half of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from overlay.subnet import Subnet, enclosing, parse_subnet


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
    said = dict(_pairs(text))
    try:
        networks = [
            one
            for name in ("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK")
            for one in _many(said.get(name, ""), parse_subnet)
        ]
        subnets = [one for name in _SUBNETS for one in _many(said.get(name, ""), _of_gateway)]
        mtu = _number("FLANNEL_MTU", said["FLANNEL_MTU"])
        ip_masq = {"true": True, "false": False}[said.get("FLANNEL_IPMASQ", "false")]
    except KeyError as error:
        raise ValueError(
            f"FLANNEL_MTU is missing, or FLANNEL_IPMASQ is neither true nor false ({error})"
        ) from None
    if not networks or not subnets:
        raise ValueError("FLANNEL_NETWORK and FLANNEL_SUBNET are missing, or those of IPv6")
    return SubnetEnv(tuple(networks), tuple(subnets), mtu, ip_masq)


_SUBNETS = ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET", "PODWIRE_BLOCKS", "PODWIRE_IPV6_BLOCKS")


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


def _of_gateway(text: str) -> Subnet:
    address, _, length = text.partition("/")
    return enclosing(address, _number(f"the length of {text[:60]!r}", length))


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError(f"{name} is no number: {text[:20]!r}")
    return int(text)


def _many(text: str, parse: object) -> Iterable[Subnet]:
    assert callable(parse)
    return [parse(part.strip()) for part in text.split(",") if part.strip()]


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"line {number} is no NAME=VALUE: {line[:60]!r}")
            yield name.strip(), value.strip()
