"""What static takes."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cni_spec.addresses import Address, Cidr
from cni_spec.config import Dns, NetworkConfig, SpecModel
from cni_spec.result import Route


class AddressConfig(SpecModel):
    """One address with the prefix length of its network."""

    address: Cidr
    gateway: Address | None = None


class IpamConfig(SpecModel):
    """The `ipam` section."""

    type: str
    addresses: tuple[AddressConfig, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()


class RuntimeConfig(SpecModel):
    """What a runtime hands over by the capability ips; it replaces `addresses`."""

    reports_unknown_keys: ClassVar[bool] = False  # other plugins' capabilities

    ips: tuple[Cidr, ...] = ()


class CniArgs(SpecModel):
    """`args.cni`; its addresses replace those of `ipam`."""

    reports_unknown_keys: ClassVar[bool] = False

    ips: tuple[Cidr, ...] = ()


class Args(SpecModel):
    """`args`, of which one section is ours."""

    reports_unknown_keys: ClassVar[bool] = False

    cni: CniArgs = CniArgs()


class StaticConfig(NetworkConfig):
    """The network's configuration as static reads it; the rest is its caller's."""

    reports_unknown_keys: ClassVar[bool] = False

    ipam: IpamConfig  # type: ignore[assignment]  # narrower than the JSON it is elsewhere
    args: Args = Args()  # type: ignore[assignment]
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")
