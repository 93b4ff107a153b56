"""The verbs of bridge."""

from __future__ import annotations

from cni_plugins.attached import (
    check_serviceable,
    checked_interface,
    collect_garbage,
    is_inner_sysctl,
    masquerade_backend,
    read_machine_id,
    refuse_existing,
    remove_attachment,
    wished_mac,
)
from cni_plugins.bridge.config import BridgeConfig
from cni_plugins.bridge.plan import Choice, plan, prepare_lease
from cni_plugins.delegate import Ipam, ipam_type
from cni_plugins.interface import addresses_of, describe, own_mac, uplink_mtu
from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all
from cni_spec.result import Result
from linuxnet.kernel import Kernel
from linuxnet.op import Op
from linuxnet.vlan_gateway import RemoveIdleVlanGateway


class Bridge(Plugin[BridgeConfig]):
    """Join a container to a bridge by a veth pair."""

    name = "bridge"
    config = BridgeConfig

    def add(self, call: Call[BridgeConfig]) -> Result:
        """Attach the container; what was done is taken back if a step fails."""
        config, owner = call.config, call.attachment
        choice = choose(call)
        refuse_existing(call)
        lease = prepare_lease(config, Ipam(call).add() if ipam_type(config.ipam) else Result())
        call.undo.apply(call.kernel, *plan(config, owner, lease, choice))
        interfaces = [
            describe(call.kernel.host, config.bridge),
            describe(call.kernel.host, owner.veth_name),
            describe(call.kernel.container, owner.ifname, call.request.netns),
        ]
        if config.vlan and config.has_gateway and lease.ips:
            interfaces.append(describe(call.kernel.host, f"{config.bridge}.{config.vlan}"))
        return lease.with_(interfaces=tuple(interfaces))

    def delete(self, call: Call[BridgeConfig]) -> None:
        """Remove the veth, its rules, then its address; nothing but the ids is needed."""
        remove_attachment(call)
        if call.config.vlan and call.config.has_gateway:
            call.kernel.apply(RemoveIdleVlanGateway(call.config.bridge, call.config.vlan))

    def check(self, call: Call[BridgeConfig]) -> None:
        """Compare the plan that led to prevResult with what is there now.

        Sysctls inside the container are left out: later plugins, tuning for one, may have set them.
        """
        if ipam_type(call.config.ipam):
            Ipam(call).check()
        entry = checked_interface(call)
        result = call.require_prev_result()
        lease = Result(ips=addresses_of(result, entry.name), routes=result.routes)
        choice = Choice(
            entry.mac,
            call.config.mtu or None,
            read_machine_id(),
            masquerade_backend(call.config.ip_masq_backend),
        )
        ops = plan(call.config, call.attachment, lease, choice)
        check_all(call, tuple(op for op in ops if not is_inner_sysctl(op)))

    def status(self, call: Call[BridgeConfig]) -> None:
        """See that nf_tables can be used where it is needed, and ask the IPAM."""
        config = call.config
        by_nft = config.ip_masq and masquerade_backend(config.ip_masq_backend) == "nftables"
        check_serviceable(call, needs_nft=by_nft or config.macspoofchk)

    def gc(self, call: Call[BridgeConfig], valid: ValidAttachments) -> None:
        """Remove links, rules and addresses of attachments that are not listed."""
        collect_garbage(call, valid)
        if call.config.vlan and call.config.has_gateway:
            call.kernel.apply(RemoveIdleVlanGateway(call.config.bridge, call.config.vlan))

    def explain(self, call: Call[BridgeConfig]) -> tuple[Op, ...]:
        """Return the plan, for the addresses the IPAM would give."""
        given = Ipam(call).preview() if ipam_type(call.config.ipam) else Result()
        return plan(call.config, call.attachment, prepare_lease(call.config, given), choose(call))


def choose(call: Call[BridgeConfig]) -> Choice:
    """Decide what the configuration leaves open, from the machine as it is."""
    config = call.config
    return Choice(
        mac=wished_mac(call, config.runtime_config.mac) or own_mac(call.attachment),
        mtu=config.mtu or _usual_mtu(call.kernel, config.bridge),
        machine_id=read_machine_id(),
        masquerade_backend=masquerade_backend(config.ip_masq_backend),
    )


def _usual_mtu(kernel: Kernel, bridge: str) -> int | None:
    """Return an existing bridge's MTU, else the uplink's, in bytes."""
    seen = kernel.host.find_link(bridge)
    return seen.mtu if seen is not None else uplink_mtu(kernel)


PLUGIN = Bridge()
