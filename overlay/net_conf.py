"""net-conf.json: the network's configuration, flannel's keys and a few of ours.

Kept in the registry (etcd's `/coreos.com/network/config`, the directory's `config`) or in a file. Keys are
taken in any letter case, and unknown ones are remarked on, as everywhere (`cni_spec.config`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from cni_spec.config import Remarks, SpecModel, parse_config
from cni_spec.errors import CniError
from cni_spec.json_input import decode_object
from overlay.record import Mode
from overlay.subnet import BITS, Subnet, enclosing, parse_address, parse_subnet

VXLAN_PORT = 8472  # UDP; Linux's and flannel's default, older than IANA's 4789 (RFC 7348 section 5)
GPE_PORT = 4790  # UDP; IANA's for VXLAN-GPE
FEWEST_SUBNETS = 4  # flannel's own limit
FEWEST_HOST_BITS = 2  # /30, the smallest subnet with a pod in it


def _subnet(value: object) -> Subnet | None:
    if value in ("", None):
        return None
    if not isinstance(value, str):
        raise ValueError("expected a network as text")
    return parse_subnet(value)


def _address(value: str) -> str:
    if value:
        parse_address(value)
    return value


_text = PlainSerializer(lambda value: None if value is None else str(value))
MaybeSubnet = Annotated[Subnet | None, PlainValidator(_subnet), _text, WithJsonSchema({"type": "string"})]
MaybeAddress = Annotated[str, AfterValidator(_address)]
Length = Annotated[int, Field(ge=0, le=128)]  # bits; 0: the default


class Backend(SpecModel):
    """How packets cross nodes. `Port` 0: the mode's own. `MTU` in bytes of the underlay; 0: the uplink's."""

    type: Literal["vxlan", "vxlan-gpe", "host-gw", "direct"] = Field("vxlan", alias="Type")
    vni: Annotated[int, Field(ge=1, lt=1 << 24)] = Field(1, alias="VNI")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(0, alias="Port")
    mtu: Annotated[int, Field(ge=0, le=65535)] = Field(0, alias="MTU")
    gbp: bool = Field(False, alias="GBP")
    learning: bool = Field(False, alias="Learning")  # accepted for flannel's sake; entries are ours
    direct_routing: bool = Field(False, alias="DirectRouting")

    @property
    def mode(self) -> Mode:
        """Return the mode that nodes offer first."""
        return Mode.DIRECT if self.type == "host-gw" else Mode(self.type)

    @property
    def tunnel_port(self) -> int:
        """Return the UDP port of the mode; 0 for none."""
        usual = {Mode.VXLAN: VXLAN_PORT, Mode.GPE: GPE_PORT, Mode.DIRECT: 0}
        return self.port or usual[self.mode]


class NetConf(SpecModel):
    """The whole. Lengths in bits; ours: `NoMasquerade`, `Blackhole`, `DSCP` is not."""

    network: MaybeSubnet = Field(None, alias="Network")
    ipv6_network: MaybeSubnet = Field(None, alias="IPv6Network")
    enable_ipv4: bool = Field(True, alias="EnableIPv4")
    enable_ipv6: bool = Field(False, alias="EnableIPv6")
    enable_nftables: bool = Field(True, alias="EnableNFTables")  # accepted; rules are nft's in any case
    subnet_len: Length = Field(0, alias="SubnetLen")
    subnet_min: MaybeAddress = Field("", alias="SubnetMin")
    subnet_max: MaybeAddress = Field("", alias="SubnetMax")
    ipv6_subnet_len: Length = Field(0, alias="IPv6SubnetLen")
    ipv6_subnet_min: MaybeAddress = Field("", alias="IPv6SubnetMin")
    ipv6_subnet_max: MaybeAddress = Field("", alias="IPv6SubnetMax")
    backend: Backend = Field(Backend(), alias="Backend")
    no_masquerade: tuple[str, ...] = Field((), alias="NoMasquerade")  # networks that see pods' own addresses
    blackhole: bool = Field(True, alias="Blackhole")  # packets for absent subnets do not leave the node

    @model_validator(mode="after")
    def _is_complete(self) -> NetConf:
        for version in self.versions:
            if self.network_of(version) is None:
                raise ValueError(f"{'IPv6Network' if version == 6 else 'Network'} is missing")
            self.pool(version)
        if not self.versions:
            raise ValueError("EnableIPv4 and EnableIPv6 are both false")
        for text in self.no_masquerade:
            parse_subnet(text)
        return self

    @property
    def versions(self) -> tuple[int, ...]:
        """Return the families in use, 4 first."""
        return (4,) * self.enable_ipv4 + (6,) * self.enable_ipv6

    @property
    def networks(self) -> tuple[Subnet, ...]:
        """Return the cluster's networks, one a family."""
        found = (self.network_of(version) for version in self.versions)
        return tuple(one for one in found if one is not None)

    def network_of(self, version: int) -> Subnet | None:
        """Return the cluster's network of a family."""
        seen = self.ipv6_network if version == 6 else self.network
        if seen is not None and seen.version != version:
            raise ValueError(f"{seen} is of the other family")
        return seen

    def pool(self, version: int) -> Pool:
        """Return the subnets that nodes may have. Raises ValueError if they make no sense."""
        network = self.network_of(version)
        if network is None:
            raise ValueError(f"there is no IPv{version} network")
        six = version == 6
        return Pool.of(
            network,
            self.ipv6_subnet_len if six else self.subnet_len,
            self.ipv6_subnet_min if six else self.subnet_min,
            self.ipv6_subnet_max if six else self.subnet_max,
        )


class Pool:
    """The subnets of one length between two, in order. The network's first is left out, as flannel does."""

    def __init__(self, network: Subnet, length: int, first: int, last: int) -> None:
        self.network, self.length = network, length
        self._first = first
        self._step = 1 << BITS[network.version] - length
        self.size = (last - first) // self._step + 1

    @classmethod
    def of(cls, network: Subnet, length: int, lowest: str, highest: str) -> Pool:
        """Choose what is not said, as flannel does: /24 (/64), or a quarter of a small network."""
        usual = 64 if network.version == 6 else 24
        chosen = length or (usual if network.length <= usual - 2 else network.length + 2)
        if chosen < network.length + 2:
            raise ValueError(f"{network} has no {FEWEST_SUBNETS} subnets of /{chosen}")
        if chosen > BITS[network.version] - FEWEST_HOST_BITS:
            raise ValueError(f"a subnet of /{chosen} has no room for pods")
        step = 1 << BITS[network.version] - chosen
        first = _bound(network, chosen, lowest, network.base + step)
        last = _bound(network, chosen, highest, network.last + 1 - step)
        if first > last:
            raise ValueError(f"the lowest subnet {lowest} lies above the highest {highest}")
        return cls(network, chosen, first, last)

    def __getitem__(self, index: int) -> Subnet:
        if not 0 <= index < self.size:
            raise IndexError(index)
        return Subnet(self.network.version, self._first + index * self._step, self.length)

    def __contains__(self, subnet: Subnet) -> bool:
        return (
            subnet.version == self.network.version
            and subnet.length == self.length
            and self._first <= subnet.base <= self._first + (self.size - 1) * self._step
        )


def _bound(network: Subnet, length: int, said: str, usual: int) -> int:
    if not said:
        return usual
    subnet = enclosing(said, length)
    if subnet.address != said or not network.covers(subnet):
        raise ValueError(f"{said} is no subnet of /{length} in {network}")
    return subnet.base


def parse_net_conf(text: str, where: str) -> tuple[NetConf, Remarks]:
    """Read net-conf.json; `where` it was found goes into the error.

    Raises:
        CniError: code 7, naming key, expectation and value.
    """
    body = decode_object(text.encode(), where)
    if isinstance(backend := body.get("Backend"), dict) and "Type" not in backend:
        body = body | {"Backend": backend | {"Type": "vxlan"}}
    try:
        return parse_config(NetConf, body)
    except CniError as error:
        raise CniError(error.code, f"{where}: {error.msg}", error.details) from error
