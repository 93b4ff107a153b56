"""The verbs of ptp."""

from __future__ import annotations

from cni_plugins.attached import (
    check_serviceable,
    checked_interface,
    collect_garbage,
    is_inner_sysctl,
    masquerade_backend,
    refuse_existing,
    remove_attachment,
    wished_mac,
)
from cni_plugins.delegate import Ipam, ipam_type
from cni_plugins.interface import addresses_of, describe, own_mac, uplink_mtu
from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all
from cni_plugins.ptp.config import PtpConfig
from cni_plugins.ptp.plan import Choice, plan, prepare_lease
from cni_spec.errors import INVALID_CONFIG, CniError
from cni_spec.result import Result
from linuxnet.op import Op


class Ptp(Plugin[PtpConfig]):
    """Connect a container to the host by a veth pair alone."""

    name = "ptp"
    config = PtpConfig

    def add(self, call: Call[PtpConfig]) -> Result:
        """Attach the container; what was done is taken back if a step fails."""
        if not ipam_type(call.config.ipam):
            raise CniError(INVALID_CONFIG, "ipam: ptp routes by address and needs an IPAM plugin")
        choice = choose(call)
        refuse_existing(call)
        lease = prepare_lease(call.config, Ipam(call).add())
        call.undo.apply(call.kernel, *plan(call.config, call.attachment, lease, choice))
        interfaces = (
            describe(call.kernel.host, call.attachment.veth_name),
            describe(call.kernel.container, call.request.ifname, call.request.netns),
        )
        return lease.with_(interfaces=interfaces)

    def delete(self, call: Call[PtpConfig]) -> None:
        """Remove the veth, its rules, then its address; nothing but the ids is needed."""
        remove_attachment(call)

    def check(self, call: Call[PtpConfig]) -> None:
        """Compare the plan that led to prevResult with what is there now."""
        if ipam_type(call.config.ipam):
            Ipam(call).check()
        entry = checked_interface(call)
        result = call.require_prev_result()
        given = Result(ips=addresses_of(result, entry.name), routes=result.routes)
        lease = prepare_lease(call.config, given)
        choice = Choice(entry.mac, call.config.mtu or None, masquerade_backend(call.config.ip_masq_backend))
        ops = plan(call.config, call.attachment, lease, choice)
        check_all(call, tuple(op for op in ops if not is_inner_sysctl(op)))

    def status(self, call: Call[PtpConfig]) -> None:
        """See that nf_tables can be used where it is needed, and ask the IPAM."""
        config = call.config
        by_nft = config.ip_masq and masquerade_backend(config.ip_masq_backend) == "nftables"
        check_serviceable(call, needs_nft=by_nft)

    def gc(self, call: Call[PtpConfig], valid: ValidAttachments) -> None:
        """Remove links, rules and addresses of attachments that are not listed."""
        collect_garbage(call, valid)

    def explain(self, call: Call[PtpConfig]) -> tuple[Op, ...]:
        """Return the plan, for the addresses the IPAM would give."""
        lease = prepare_lease(call.config, Ipam(call).preview())
        return plan(call.config, call.attachment, lease, choose(call))


def choose(call: Call[PtpConfig]) -> Choice:
    """Decide what the configuration leaves open, from the machine as it is."""
    return Choice(
        mac=wished_mac(call, None) or own_mac(call.attachment),
        mtu=call.config.mtu or uplink_mtu(call.kernel),
        masquerade_backend=masquerade_backend(call.config.ip_masq_backend),
    )


PLUGIN = Ptp()
