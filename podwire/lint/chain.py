"""Order of plugins, capabilities nobody declares, MTUs that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from cni_spec.suggestions import suggest
from podwire.lint.findings import Findings, Placed, Severity
from podwire.lint.kinds import CAPABILITIES, INTERFACE_TYPES, IPAM_TYPES, META_TYPES, OVERLAY_TYPES

# plugin, the capability without which it has nothing to do, the keys that make it useful all the same
NEEDED_CAPABILITIES = (
    ("portmap", "portMappings", ()),
    ("bandwidth", "bandwidth", ("ingressRate", "egressRate")),
)


def check_order(chain: Sequence[Placed]) -> Findings:
    """Find plugins that come before the interface they work on, or that belong somewhere else."""
    makers = [placed for placed in chain if placed.entry.type in INTERFACE_TYPES]
    for placed in chain:
        name = placed.entry.type
        if name in IPAM_TYPES:
            yield placed.error("type", f"{name} gives addresses: it belongs into the ipam of another plugin")
        if name in META_TYPES and makers and chain.index(placed) < chain.index(makers[0]):
            maker = makers[0].entry.type
            yield placed.error(
                "type", f"{name} works on the interface that {maker} makes: move it after {maker}"
            )
    for extra in makers[1:]:
        first = makers[0].entry.type
        yield extra.error("type", f"{extra.entry.type} makes the interface that {first} has made already")


def check_capabilities(chain: Sequence[Placed]) -> Findings:
    """Find capabilities that are needed but not declared, and declared ones nobody knows."""
    for placed in chain:
        for name, capability, instead in NEEDED_CAPABILITIES:
            is_idle = not any(placed.number(key) for key in instead)
            if placed.entry.type == name and capability not in placed.entry.capabilities and is_idle:
                wanted = f'"capabilities": {{"{capability}": true}}'
                yield placed.warning("", f"{name} does nothing without {wanted}")
        declared = placed.look("capabilities")
        for capability in declared if isinstance(declared, dict) else ():
            hint = suggest(capability, CAPABILITIES)
            if capability not in CAPABILITIES and hint:
                path = placed.inside(f"capabilities.{capability}")
                yield placed.document.at_key(
                    path, Severity.WARNING, f'no runtime knows the capability "{capability}"{hint}'
                )


def check_mtus(chain: Sequence[Placed], uplink_mtu: int | None) -> Findings:
    """Find MTUs larger than the way out, and a tuning that undoes the MTU set before. Bytes."""
    made = 0
    for placed in chain:
        path = "delegate.mtu" if placed.entry.type in OVERLAY_TYPES else "mtu"
        mtu = placed.number(*path.split("."))
        if not mtu:
            continue
        if uplink_mtu is not None and mtu > uplink_mtu:
            yield placed.warning(
                path, f"mtu {mtu} is larger than the {uplink_mtu} of the way out of this machine"
            )
        if placed.entry.type == "tuning" and made and mtu != made:
            change = "larger than" if mtu > made else "not"
            yield placed.warning("mtu", f"tuning sets mtu {mtu}, {change} the {made} its peer has")
        if placed.entry.type in INTERFACE_TYPES:
            made = mtu
