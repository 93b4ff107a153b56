"""Stale flows -> the connection table: one filtered message each, or one look at it where they are many."""

from __future__ import annotations

from collections.abc import Sequence

from netaddr import IPAddress

from linuxnet.conntrack import Flows, forget
from linuxnet.flow_counts import Flow, count_flows
from linuxnet.netlink import Netlink
from service_proxy.stale import UDP, FrontKey, StaleFlows

FEW = 20  # messages, of 2 ms each where the table is large; reading all of it takes about as long


def forget_flows(flows: Sequence[StaleFlows]) -> int:
    """Remove stale flows from the calling thread's namespace; return how many messages that took.

    Raises:
        KernelError: the kernel did not do it.
    """
    here = _own_addresses() if any(map(_is_untranslated_to_node, flows)) else ()
    messages = [message for one in flows for message in _messages(one, here)]
    if len(messages) > FEW:
        seen = sorted(_seen(flows).intersection(flows), key=str)
        messages = [message for one in seen for message in _messages(one, here)]
    for message in messages:
        forget(message)
    return len(messages)


def _is_untranslated_to_node(stale: StaleFlows) -> bool:
    """Tell whether these are flows to a NodePort from before it was one: to an address of the node itself."""
    return stale.target is None and not stale.front.address


def _own_addresses() -> tuple[IPAddress, ...]:
    """Return the node's addresses, each once."""
    netlink = Netlink()
    try:
        found = [one.get("local") or one.get("address") for one in netlink.addresses()]
    finally:
        netlink.close()
    return tuple(IPAddress(one) for one in dict.fromkeys(found) if one)


def _seen(flows: Sequence[StaleFlows]) -> frozenset[StaleFlows]:
    """Return those of which the table has any."""
    there = {family: count_flows(family) for family in {one.front.family for one in flows}}
    found = {_as_stale(flow, family) for family, flows_ in there.items() for flow in flows_}
    return frozenset(one for each in found for one in each)


def _as_stale(flow: Flow, family: int) -> tuple[StaleFlows, ...]:
    """Return the names by which a flow may be asked for."""
    if flow.protocol != UDP:
        return ()
    target = (flow.answered_by, flow.answering_port)
    is_plain = target == (flow.to, flow.port)
    fronts = [FrontKey(family, address, UDP, flow.port) for address in (flow.to, b"")]
    return tuple(StaleFlows(front, None if is_plain else target) for front in fronts)


def _messages(stale: StaleFlows, here: Sequence[IPAddress]) -> list[Flows]:
    """Return what the kernel is asked to remove; `here`: the node's own addresses."""
    front, target = stale
    to = _address(front.address) if front.address else None
    if target is not None:
        return [Flows("udp", front.port, to, _address(target[0]), target[1])]
    if to is not None:
        return [Flows("udp", front.port, to, to, front.port)]
    return [Flows("udp", front.port, one, one, front.port) for one in here if one.version == front.family]


def _address(packed: bytes) -> IPAddress:
    return IPAddress(int.from_bytes(packed, "big"), 4 if len(packed) == 4 else 6)
