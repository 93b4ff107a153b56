"""What bridge and ptp have in common: a veth, its removal by the ids alone, and GC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cni_plugins.delegate import Ipam, ipam_type
from cni_plugins.interface import container_interface
from cni_plugins.plugin import Call, ValidAttachments, require_nft
from cni_plugins.steps import Steps
from cni_spec.addresses import parse_mac
from cni_spec.errors import INTERFACE_EXISTS, INVALID_CONFIG, CheckFailed, CniError
from cni_spec.result import Interface
from linuxnet.ipv4_conf import Ipv4Conf
from linuxnet.kernel import Kernel
from linuxnet.links import RemoveLink, RemoveLinks
from linuxnet.masquerade import masquerade_gc, remove_masquerade
from linuxnet.nft_elements import CollectElements, RemoveOwned
from linuxnet.numbers import LINK_GROUP
from linuxnet.op import Op, Where
from linuxnet.owner import Attachment, is_of_network, mark_of_alias
from linuxnet.sysctls import Sysctl

MACHINE_ID = Path("/etc/machine-id")  # machine-id(5)


def read_machine_id() -> str:
    """Return what tells this machine from others, "" where nothing does."""
    try:
        return MACHINE_ID.read_text().strip()
    except FileNotFoundError:
        return ""


def masquerade_backend(configured: str) -> str:
    """Return the backend that is meant: nftables, unless the configuration says otherwise."""
    return configured or "nftables"


def wished_mac(call: Call[Any], runtime_mac: str | None) -> str | None:
    """Return the MAC address somebody asked for: runtimeConfig, then args.cni, then CNI_ARGS.

    Raises:
        CniError: code 7, if it is none.
    """
    cni_args = call.config.args.get("cni")
    from_args = cni_args.get("mac") if isinstance(cni_args, dict) else None
    given = runtime_mac or from_args or call.request.args.get("MAC")
    try:
        return parse_mac(given) if given else None
    except ValueError as error:
        raise CniError(INVALID_CONFIG, f"mac: {error}, came {given!r}") from error


def refuse_existing(call: Call[Any]) -> None:
    """Refuse an ADD whose interface is there already, before anything is touched (CNI 1.1.0, ADD).

    Raises:
        CniError: code 100, naming the owner.
    """
    owner = call.attachment
    if call.kernel.container.find_link(owner.ifname) is not None:
        raise CniError(INTERFACE_EXISTS, f"the container has an interface {owner.ifname} already")
    seen = call.kernel.host.find_link(owner.veth_name)
    if seen is not None:
        said = f"host interface {owner.veth_name} exists already, of {seen.alias or 'an unknown owner'}"
        raise CniError(INTERFACE_EXISTS, f"{said}; DEL of that attachment removes it")


def checked_interface(call: Call[Any]) -> Interface:
    """Return prevResult's entry for the container's interface, compared with the kernel's.

    Raises:
        CheckFailed: the result knows no such interface, or its MAC address is another now.
    """
    entry = container_interface(call.require_prev_result(), call.request.ifname)
    if entry is None:
        raise CheckFailed(f"prevResult has no interface {call.request.ifname} in the container")
    seen = call.kernel.container.find_link(entry.name)
    if seen is None:
        raise CheckFailed(f"interface {entry.name} is missing in the container")
    if entry.mac and seen.mac != entry.mac.lower():
        raise CheckFailed(f"interface {entry.name} has the MAC address {seen.mac}, not {entry.mac}")
    return entry


def remove_attachment(call: Call[Any]) -> None:
    """Remove everything an ADD of bridge or ptp made; the address is given back after the link is gone."""
    steps = Steps()
    with steps.step("remove the link"):
        remove_veth(call.kernel, call.attachment)
    link_is_gone = not steps.failures
    with steps.step("remove nft elements"):
        call.kernel.apply(RemoveOwned(call.attachment))
    with steps.step("remove masquerading"):
        remove_masquerade(call.kernel, call.attachment)
    if link_is_gone and ipam_type(call.config.ipam):
        with steps.step("give the address back"):
            Ipam(call).delete()
    steps.finish()


def remove_veth(kernel: Kernel, owner: Attachment) -> None:
    """Delete the pair by its host end, whose name follows from the ids; else by the container's end.

    The second finds what a reference plugin made before a machine was switched over.
    """
    outer = kernel.host.find_link(owner.veth_name)
    if outer is not None and (outer.alias == owner.alias or outer.group == LINK_GROUP):
        kernel.apply(RemoveLink(Where.HOST, outer.name))
    if kernel.has_container:
        inner = kernel.container.find_link(owner.ifname)
        if inner is not None and inner.kind != "loopback":
            kernel.apply(RemoveLink(Where.CONTAINER, inner.name))


def collect_garbage(call: Call[Any], valid: ValidAttachments) -> None:
    """Remove what belongs to this network and to no valid attachment: GC is DEL for all of those."""
    steps = Steps()
    with steps.step("remove stale links"):
        call.kernel.apply(RemoveLinks(tuple(stale_links(call.kernel, call.config.name, valid))))
    with steps.step("remove stale nft elements"):
        call.kernel.apply(CollectElements(call.config.name, valid.marks))
    with steps.step("remove stale masquerading"):
        masquerade_gc(call.kernel, call.config.name, valid.attachments)
    if ipam_type(call.config.ipam):
        with steps.step("collect the addresses"):
            Ipam(call).gc()
    steps.finish()


def stale_links(kernel: Kernel, network: str, valid: ValidAttachments) -> list[str]:
    """Return the host links of no valid attachment: by their mark, or made by an ADD that was killed.

    A link that has our group and no mark yet is half made; it is stale only if no ADD is under way.
    """
    found, unnamed = [], []
    for link in kernel.host.links():
        mark = mark_of_alias(link.alias)
        if mark is not None and is_of_network(mark, network) and mark not in valid.marks:
            found.append(link.name)
        if mark is None and link.group == LINK_GROUP:
            unnamed.append(link.name)
    return found + (unnamed if unnamed and kernel.is_alone() else [])


def is_inner_sysctl(op: Op) -> bool:
    """Tell whether CHECK must leave an operation out: later plugins, tuning for one, set sysctls too."""
    return isinstance(op, (Sysctl, Ipv4Conf)) and op.where is Where.CONTAINER


def check_serviceable(call: Call[Any], *, needs_nft: bool) -> None:
    """Raise CniError 50 if an ADD could not be served: nf_tables is missing, or what the IPAM says."""
    if needs_nft:
        require_nft(call.kernel)
    if ipam_type(call.config.ipam):
        Ipam(call).status()
