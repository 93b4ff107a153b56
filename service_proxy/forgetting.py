"""Stale flows -> the connection table: one filtered message each, or one look at it where they are many."""

from __future__ import annotations

from collections.abc import Sequence

from netaddr import IPAddress

from linuxnet.conntrack import Flows, forget
from linuxnet.flow_counts import Flow, count_flows
from service_proxy.stale import UDP, FrontKey, StaleFlows

FEW = 20  # messages, of 2 ms each where the table is large; reading all of it takes about as long


def forget_flows(flows: Sequence[StaleFlows]) -> int:
    """Remove stale flows from the calling thread's namespace; return how many messages that took.

    Raises:
        KernelError: the kernel did not do it.
    """
    asked = flows if len(flows) <= FEW else sorted(_seen(flows).intersection(flows), key=str)
    messages = [message for one in asked for message in _messages(one)]
    for message in messages:
        forget(message)
    return len(messages)


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


def _messages(stale: StaleFlows) -> list[Flows]:
    """Return what the kernel is asked to remove.

    Flows to a NodePort that nobody has translated are those to an address of the node itself, of which a
    filter cannot speak: they end by themselves, half a minute after their last packet.
    """
    front, target = stale
    to = _address(front.address) if front.address else None
    if target is not None:
        return [Flows("udp", front.port, to, _address(target[0]), target[1])]
    return [Flows("udp", front.port, to, to, front.port)] if to is not None else []


def _address(packed: bytes) -> IPAddress:
    return IPAddress(int.from_bytes(packed, "big"), 4 if len(packed) == 4 else 6)
