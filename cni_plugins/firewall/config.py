"""What the firewall plugin takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cni_spec.config import NetworkConfig

ChainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,28}$")]  # XT_EXTENSION_MAXNAMELEN is 29


class FirewallConfig(NetworkConfig):
    """What the network's author asked of the firewall plugin."""

    backend: Literal["nftables", "iptables", "firewalld", ""] = ""  # "": what fits the host
    iptables_admin_chain_name: ChainName = Field("CNI-ADMIN", alias="iptablesAdminChainName")
    firewalld_zone: Annotated[str, Field(min_length=1, max_length=17)] = Field(
        "trusted", alias="firewalldZone"
    )
    ingress_policy: Literal["open", "same-bridge", "isolated"] = Field("open", alias="ingressPolicy")
