"""What the portmap plugin takes."""

from __future__ import annotations

from typing import Annotated, Literal

from netaddr import IPAddress
from pydantic import AfterValidator, Field, model_validator

from cni_spec.addresses import parse_address
from cni_spec.config import NetworkConfig, SpecModel

Port = Annotated[int, Field(ge=1, le=65535)]


def _known_protocol(text: str) -> str:
    if text.lower() not in ("tcp", "udp", "sctp"):
        raise ValueError("expected tcp, udp or sctp")
    return text.lower()


def _host_ip(text: str) -> str:
    if text:
        parse_address(text)
    return text


class PortMapping(SpecModel):
    """One port of the host; an unspecified `host_ip` ("", 0.0.0.0, ::) means all addresses of a family."""

    host_port: Port = Field(alias="hostPort")
    container_port: Port = Field(alias="containerPort")
    protocol: Annotated[str, AfterValidator(_known_protocol)] = "tcp"
    host_ip: Annotated[str, AfterValidator(_host_ip)] = Field("", alias="hostIP")

    @property
    def at(self) -> IPAddress | None:
        """Return the one address it is for, None for all."""
        address = parse_address(self.host_ip) if self.host_ip else None
        return None if address is None or int(address) == 0 else address

    @property
    def family(self) -> int | None:
        """Return the one family it is for, None for both."""
        return parse_address(self.host_ip).version if self.host_ip else None


class RuntimeConfig(SpecModel):
    """What a runtime hands over for one container."""

    port_mappings: tuple[PortMapping, ...] = Field((), alias="portMappings")


class PortmapConfig(NetworkConfig):
    """What the network's author asked of the portmap plugin.

    `share_host_ports`: containers of the network that ask for one host port share it, and connections are
    spread over them; else the second is refused.
    """

    backend: Literal["nftables", "iptables", ""] = ""
    snat: bool = True
    masq_all: bool = Field(False, alias="masqAll")
    mark_masq_bit: Annotated[int, Field(ge=0, le=31)] | None = Field(None, alias="markMasqBit")
    external_set_mark_chain: str = Field("", alias="externalSetMarkChain")
    conditions_v4: tuple[str, ...] = Field((), alias="conditionsV4")
    conditions_v6: tuple[str, ...] = Field((), alias="conditionsV6")
    share_host_ports: bool = Field(False, alias="shareHostPorts")
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")

    @model_validator(mode="after")
    def _fits_together(self) -> PortmapConfig:
        if self.mark_masq_bit is not None and self.external_set_mark_chain:
            raise ValueError("markMasqBit and externalSetMarkChain exclude each other")
        words = self.conditions_v4 + self.conditions_v6
        by_iptables = {
            word.startswith(("-", "!")) for word in (self.conditions_v4[:1] + self.conditions_v6[:1])
        }
        if len(by_iptables) > 1:
            raise ValueError("conditionsV4 and conditionsV6 are written for different backends")
        if words and self.backend and by_iptables != {self.backend == "iptables"}:
            raise ValueError(f"conditions are not written for the backend {self.backend}")
        if self.chosen_backend == "nftables" and self.external_set_mark_chain:
            raise ValueError('externalSetMarkChain needs "backend": "iptables"')
        if self.share_host_ports and (words or self.chosen_backend == "iptables"):
            raise ValueError("shareHostPorts needs the backend nftables, and goes without conditions")
        if any(c in word for word in words for c in ';\n"{}'):
            raise ValueError("conditions are plain matches without quotes, braces or semicolons")
        return self

    @property
    def chosen_backend(self) -> str:
        """Return the backend: as named, else as the conditions are written, else nftables."""
        if self.backend:
            return self.backend
        first = (self.conditions_v4 + self.conditions_v6)[:1]
        hints_at_iptables = self.external_set_mark_chain or any(word.startswith(("-", "!")) for word in first)
        return "iptables" if hints_at_iptables else "nftables"
