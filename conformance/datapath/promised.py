"""An attachment that was asked to keep a promise, and the addresses that matter in it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.case import Attachment, Case, Json
from conformance.clause import CannotJudge, NotApplicable
from conformance.datapath.roads import open_roads, stand_ready
from conformance.datapath.talking import family_of
from conformance.world.looking import links

HOST = {4: "192.0.2.1", 6: "2001:db8::1"}  # world/given.py: the host's addresses on its uplink
OUTSIDE = {4: "192.0.2.2", 6: "2001:db8::2"}


@dataclass(frozen=True)
class Joined:
    """A container that is attached, and talks."""

    attachment: Attachment
    addresses: dict[int, str]  # family (4, 6) -> its own address
    gateways: dict[int, str]  # family -> the host's address on its segment, where there is one

    @property
    def netns(self) -> str:
        """Return the path of its namespace."""
        return self.attachment.netns.path

    @property
    def mtu(self) -> int:
        """Return the MTU of its interface, in bytes."""
        return int(links(self.netns)[self.attachment.ifname]["mtu"])

    @property
    def mac(self) -> str:
        """Return the MAC address of its interface."""
        return str(links(self.netns)[self.attachment.ifname]["address"])


def changes_for(case: Case, promise: str) -> Json:
    """Return what the configuration must say for a promise. Not applicable where there is none."""
    if promise not in case.profile.promises:
        raise NotApplicable(f"the profile of {case.plugin.type} does not promise {promise!r}")
    return dict(case.profile.promises[promise])


def join(case: Case, promise: str, count: int = 1) -> list[Joined]:
    """Attach containers that are promised something, and wait until their addresses can be used."""
    changes = changes_for(case, promise)
    open_roads(case)
    attachments = [case.attachment() for _ in range(count)]
    open_roads(case)
    return [joined(case, case.add(one, case.config(one, changes))) for one in attachments]


def joined(case: Case, attachment: Attachment) -> Joined:
    """Return an attachment with its addresses, as its result says them."""
    result = attachment.result or {}
    found = result.get("ips") or [
        {"address": result[key]["ip"]} | result[key] for key in ("ip4", "ip6") if key in result
    ]
    interfaces = result.get("interfaces") or []
    ours = [one for one in found if _is_ours(one, interfaces, attachment)]
    if not ours:
        raise CannotJudge("the result has no address of the container's interface, so nobody can talk to it")
    own = {family_of(one["address"]): one["address"].partition("/")[0] for one in ours}
    ways = {family_of(one["address"]): str(one["gateway"]) for one in ours if one.get("gateway")}
    stand_ready(attachment.netns.path)
    return Joined(attachment, own, ways)


def _is_ours(ip: Json, interfaces: list[Json], attachment: Attachment) -> bool:
    at = ip.get("interface")
    if type(at) is not int or not 0 <= at < len(interfaces):
        return True
    return bool(interfaces[at].get("sandbox"))
