"""What loopback takes: nothing of its own."""

from __future__ import annotations

from cni_spec.config import NetworkConfig


class LoopbackConfig(NetworkConfig):
    """The common keys. CNI_IFNAME is ignored: the interface is always lo."""
