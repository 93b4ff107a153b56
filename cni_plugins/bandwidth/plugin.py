"""The verbs of bandwidth."""

from __future__ import annotations

from cni_plugins.attached import stale_links
from cni_plugins.bandwidth.config import BandwidthConfig
from cni_plugins.bandwidth.plan import ifb_names, plan
from cni_plugins.interface import describe
from cni_plugins.plugin import Call, Plugin, ValidAttachments, check_all
from cni_plugins.steps import Steps
from cni_spec.errors import INVALID_CONFIG, CheckFailed, CniError
from cni_spec.result import Result
from linuxnet.links import RemoveLink
from linuxnet.op import Op, Where
from linuxnet.rtnetlink_answers import Link
from linuxnet.tc import TC_H_INGRESS, TC_H_ROOT, RemoveQdisc, TokenBucket


class Bandwidth(Plugin[BandwidthConfig]):
    """Limit what a container receives and sends."""

    name = "bandwidth"
    versions = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
    config = BandwidthConfig

    def add(self, call: Call[BandwidthConfig]) -> Result:
        """Shape the host's end of the veth; the result gains the IFB."""
        previous = call.require_prev_result()
        limits = call.config.limits
        if limits.is_empty:
            return previous
        ifb = _free_ifb(call)
        call.undo.apply(call.kernel, *_ops(call, find_host_end(call), ifb))
        if not limits.egress_rate:
            return previous
        return previous.with_(interfaces=(*previous.interfaces, describe(call.kernel.host, ifb)))

    def delete(self, call: Call[BandwidthConfig]) -> None:
        """Take what is ours from the veth, where there still is one, and remove the IFB."""
        own, steps = _own_ifbs(call), Steps()
        with steps.step("remove qdiscs"):
            for op in _off_the_veth(call, own):
                call.kernel.apply(op)
        for link in own:
            with steps.step(f"remove {link.name}"):
                call.kernel.apply(RemoveLink(Where.HOST, link.name))
        steps.finish()

    def check(self, call: Call[BandwidthConfig]) -> None:
        """Compare every qdisc, filter and the IFB."""
        limits = call.config.limits
        if limits.is_empty:
            return
        own = _own_ifbs(call)
        if limits.egress_rate and not own:
            raise CheckFailed(
                f"interface {ifb_names(call.attachment)[0]}, which shapes what is sent, is missing"
            )
        check_all(call, _ops(call, find_host_end(call), own[0].name if own else ""))

    def gc(self, call: Call[BandwidthConfig], valid: ValidAttachments) -> None:
        """Remove the IFBs of attachments that are not listed."""
        steps = Steps()
        for name in stale_links(call.kernel, call.config.name, valid):
            link = call.kernel.host.find_link(name)
            if link is not None and link.kind == "ifb":
                with steps.step(f"remove {name}"):
                    call.kernel.apply(RemoveLink(Where.HOST, name))
        steps.finish()

    def explain(self, call: Call[BandwidthConfig]) -> tuple[Op, ...]:
        """Return the plan, for the veth a bridge of ours would make."""
        limits, owner = call.config.limits, call.attachment
        return plan(limits, call.config.latency, owner, owner.veth_name, 1500, ifb_names(owner)[0])


def find_host_end(call: Call[BandwidthConfig]) -> Link:
    """Return the host's end of the container's veth, which the result before must name.

    Raises:
        CniError: code 7, if the interface is no veth, or its other end is not in the result.
    """
    ifname = call.request.ifname
    inner = call.kernel.container.find_link(ifname)
    outer = call.kernel.host.find_link_at(inner.peer) if inner and inner.peer else None
    names = {one.name for one in call.require_prev_result().interfaces if not one.sandbox}
    if outer is None or outer.kind != "veth" or outer.name not in names:
        said = f"{ifname} has no end on the host that prevResult names"
        raise CniError(INVALID_CONFIG, f"prevResult: {said}; bandwidth can only be limited on a veth")
    return outer


def _off_the_veth(call: Call[BandwidthConfig], own: list[Link]) -> list[Op]:
    """Return what removes our qdiscs: the detour over an IFB of ours, and a bucket of the size that is asked.

    Most often the veth goes next, and they with it; a plugin that is taken out of a chain must leave it as
    it was.
    """
    kernel = call.kernel
    inner = kernel.container.find_link(call.request.ifname) if kernel.has_container else None
    outer = kernel.host.find_link_at(inner.peer) if inner and inner.peer else None
    if outer is None:
        return []
    ops: list[Op] = []
    if own and {link.index for link in own} & set(kernel.pyroute.redirects(outer.index)):
        ops.append(RemoveQdisc(outer.name, TC_H_INGRESS))
    limits = call.config.limits
    bucket = TokenBucket(outer.name, limits.ingress_rate, limits.ingress_burst, call.config.latency)
    if limits.ingress_rate and bucket.difference(kernel) is None:
        ops.append(RemoveQdisc(outer.name, TC_H_ROOT))
    return ops


def _ops(call: Call[BandwidthConfig], outer: Link, ifb: str) -> tuple[Op, ...]:
    return plan(call.config.limits, call.config.latency, call.attachment, outer.name, outer.mtu, ifb)


def _free_ifb(call: Call[BandwidthConfig]) -> str:
    """Return the first of the attachment's names that no other interface has taken."""
    first, second = ifb_names(call.attachment)
    return first if call.kernel.host.find_link(first) is None else second


def _own_ifbs(call: Call[BandwidthConfig]) -> list[Link]:
    """Return the IFBs that carry our mark, or the reference's name and no mark."""
    first, second = ifb_names(call.attachment)
    found = [call.kernel.host.find_link(name) for name in (first, second)]
    alias = call.attachment.alias
    return [one for one in found if one and (one.alias == alias or (one.name == first and not one.alias))]


PLUGIN = Bandwidth()
