"""What the bridge plugin takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cni_spec.addresses import Mac
from cni_spec.config import NetworkConfig, SpecModel
from cni_spec.names import InterfaceName

VlanId = Annotated[int, Field(ge=1, le=4094)]  # IEEE 802.1Q; 0 and 4095 are reserved
Mtu = Annotated[int, Field(ge=0, le=65535)]  # bytes; 0 asks for the default, as in the reference


class VlanRange(SpecModel):
    """One VLAN, or the VLANs from `min_id` to `max_id`, tagged on a trunk port."""

    id: VlanId | None = None
    min_id: VlanId | None = Field(None, alias="minID")
    max_id: VlanId | None = Field(None, alias="maxID")

    @model_validator(mode="after")
    def _has_one_form(self) -> VlanRange:
        if (self.min_id is None) != (self.max_id is None):
            raise ValueError("minID and maxID belong together")
        if self.min_id is not None and self.max_id is not None and self.min_id > self.max_id:
            raise ValueError(f"minID {self.min_id} is greater than maxID {self.max_id}")
        if self.id is None and self.min_id is None:
            raise ValueError("expected an id, or minID and maxID")
        return self

    @property
    def ids(self) -> frozenset[int]:
        """Return the VLANs it stands for."""
        single = {self.id} if self.id is not None else set()
        if self.min_id is None or self.max_id is None:
            return frozenset(single)
        return frozenset(single | set(range(self.min_id, self.max_id + 1)))


class RuntimeConfig(SpecModel):
    """What a runtime hands over for one container."""

    mac: Mac | None = None


class BridgeConfig(NetworkConfig):
    """What the network's author asked of the bridge plugin (CNI 1.1.0 section 1)."""

    bridge: InterfaceName = "cni0"
    is_gateway: bool = Field(False, alias="isGateway")  # the bridge has the gateway's address
    is_default_gateway: bool = Field(False, alias="isDefaultGateway")  # implies isGateway
    force_address: bool = Field(False, alias="forceAddress")
    several_gateways: bool = Field(False, alias="severalGateways")  # of IPv4 networks that do not overlap
    ip_masq: bool | Literal["v4", "v6"] = Field(False, alias="ipMasq")  # or one family alone
    ip_masq_backend: Literal["nftables", "iptables", ""] = Field("", alias="ipMasqBackend")
    mtu: Mtu = 0  # bytes; 0 takes an existing bridge's, else the uplink's
    hairpin_mode: bool = Field(False, alias="hairpinMode")
    promisc_mode: bool = Field(False, alias="promiscMode")
    vlan: Annotated[int, Field(ge=0, le=4094)] = 0  # 0: no VLAN
    vlan_trunk: tuple[VlanRange, ...] = Field((), alias="vlanTrunk")
    preserve_default_vlan: bool = Field(False, alias="preserveDefaultVlan")
    macspoofchk: bool = False  # MAC, IP, ARP and ND of the port are checked
    enabledad: bool = False
    disable_container_interface: bool = Field(False, alias="disableContainerInterface")
    port_isolation: bool = Field(False, alias="portIsolation")
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")

    @model_validator(mode="after")
    def _fits_together(self) -> BridgeConfig:
        if self.hairpin_mode and self.promisc_mode:
            raise ValueError("hairpinMode and promiscMode exclude each other")
        if self.disable_container_interface and self.ipam:
            raise ValueError("disableContainerInterface leaves no interface that ipam could serve")
        return self

    @property
    def has_gateway(self) -> bool:
        """Tell whether the bridge gets the gateway's address."""
        return self.is_gateway or self.is_default_gateway

    @property
    def trunk(self) -> tuple[int, ...]:
        """Return the tagged VLANs, sorted, each once."""
        return tuple(sorted(frozenset[int]().union(*(one.ids for one in self.vlan_trunk))))
