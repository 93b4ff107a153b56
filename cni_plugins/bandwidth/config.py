"""What the bandwidth plugin takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cni_spec.config import NetworkConfig, SpecModel

Bits = Annotated[int, Field(ge=0, lt=1 << 64)]
Burst = Annotated[int, Field(ge=0, lt=(1 << 32) * 8)]  # bits; the kernel counts bytes in 32 bits


class Limits(SpecModel):
    """Rates in bits per second, bursts in bits; 0 is no limit. Ingress is what the container receives."""

    ingress_rate: Bits = Field(0, alias="ingressRate")
    ingress_burst: Burst = Field(0, alias="ingressBurst")
    egress_rate: Bits = Field(0, alias="egressRate")
    egress_burst: Burst = Field(0, alias="egressBurst")

    @model_validator(mode="after")
    def _are_pairs(self) -> Limits:
        for way in ("ingress", "egress"):
            rate, burst = getattr(self, f"{way}_rate"), getattr(self, f"{way}_burst")
            if bool(rate) != bool(burst):
                raise ValueError(f"{way}Rate and {way}Burst belong together")
        return self

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is limited."""
        return not (self.ingress_rate or self.egress_rate)


class RuntimeConfig(SpecModel):
    """What a runtime hands over for one container."""

    bandwidth: Limits = Limits()


class BandwidthConfig(NetworkConfig, Limits):
    """What the network's author asked of the bandwidth plugin; it counts before what the runtime says."""

    latency: Annotated[int, Field(ge=1, le=10_000)] = 25  # milliseconds a packet may wait
    runtime_config: RuntimeConfig = Field(RuntimeConfig(), alias="runtimeConfig")

    @property
    def limits(self) -> Limits:
        """Return the limits that hold."""
        return self.runtime_config.bandwidth if self.is_empty else self
