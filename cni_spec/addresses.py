"""IP addresses and networks as pydantic fields; the values are netaddr's.

A `Cidr` keeps its host bits (10.0.0.5/24 is an address on a network), a `Subnet` must have none. A trap:
netaddr compares and hashes networks without their host bits, so that 10.0.0.5/24 equals 10.0.0.6/24; who
means the address compares `.ip`, or the text.
"""

from __future__ import annotations

import re
from typing import Annotated

from netaddr import EUI, INET_PTON, AddrFormatError, IPAddress, IPNetwork, mac_unix_expanded
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


def parse_address(text: object) -> IPAddress:
    """Read an address without prefix, IPv4 in four parts or IPv6.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(text, IPAddress):
        return text
    try:
        if isinstance(text, str) and text.isascii() and "/" not in text and "%" not in text:
            return _unmapped(IPAddress(text, flags=INET_PTON))
    except (AddrFormatError, ValueError):  # said below, in our words
        pass
    raise ValueError("expected an IP address")


def parse_cidr(text: object) -> IPNetwork:
    """Read an address with its prefix length, such as 10.0.0.5/24; host bits are kept.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(text, IPNetwork):
        return text
    try:
        if isinstance(text, str) and text.isascii():
            address, slash, length = text.partition("/")
            ip = parse_address(address)
            if slash and re.fullmatch(r"\d{1,3}", length) and int(length) <= (32 if ip.version == 4 else 128):
                return IPNetwork(f"{ip}/{int(length)}")
    except (AddrFormatError, ValueError):  # said below, in our words
        pass
    raise ValueError("expected an address with its prefix length, such as 10.1.0.0/16")


def parse_subnet(text: object) -> IPNetwork:
    """Read a network without host bits. Raises ValueError otherwise."""
    network = parse_cidr(text)
    if network.ip != network.network:
        raise ValueError(f"expected a network without host bits, such as {network.cidr}")
    return network


def parse_mac(text: object) -> str:
    """Read an Ethernet address and return it in the kernel's spelling, 02:00:5e:10:00:01.

    Raises:
        ValueError: it is not six bytes in hex, or a group address.
    """
    if not isinstance(text, str) or not re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", text):
        raise ValueError("expected a MAC address such as 02:00:5e:10:00:01")
    mac = EUI(text, dialect=mac_unix_expanded)
    if mac.words[0] & 1 or int(mac) == 0:
        raise ValueError("expected the MAC address of one interface, not a group or zero")
    return str(mac)


def host_network(address: IPAddress) -> IPNetwork:
    """Return the network that holds this one address, a /32 or a /128."""
    return IPNetwork(f"{address}/{32 if address.version == 4 else 128}")


def _unmapped(address: IPAddress) -> IPAddress:
    """Return ::ffff:10.0.0.1 as 10.0.0.1, as the reference plugins do."""
    return address.ipv4() if address.version == 6 and address.is_ipv4_mapped() else address


_as_text = PlainSerializer(str, return_type=str)

Address = Annotated[IPAddress, PlainValidator(parse_address), _as_text, WithJsonSchema({"type": "string"})]
Cidr = Annotated[IPNetwork, PlainValidator(parse_cidr), _as_text, WithJsonSchema({"type": "string"})]
Subnet = Annotated[IPNetwork, PlainValidator(parse_subnet), _as_text, WithJsonSchema({"type": "string"})]
Mac = Annotated[str, PlainValidator(parse_mac), WithJsonSchema({"type": "string"})]
