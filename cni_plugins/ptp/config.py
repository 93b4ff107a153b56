"""What the ptp plugin takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cni_spec.config import NetworkConfig


class PtpConfig(NetworkConfig):
    """What the network's author asked of the ptp plugin."""

    ip_masq: bool | Literal["v4", "v6"] = Field(False, alias="ipMasq")  # or one family alone
    ip_masq_backend: Literal["nftables", "iptables", ""] = Field("", alias="ipMasqBackend")
    mtu: Annotated[int, Field(ge=0, le=65535)] = 0  # bytes; 0 takes the uplink's
