"""Masquerade: who is seen, from outside and from within."""

from __future__ import annotations

from conformance.case import Case
from conformance.clause import Kind, Level, clause, expect
from conformance.datapath.promised import HOST, OUTSIDE, join
from conformance.datapath.talking import connect, exchange_datagrams, told

INTERFACE = frozenset({Kind.INTERFACE})


@clause("datapath-masquerade", Level.DATAPATH, "beyond", "hides containers behind the host", kinds=INTERFACE)
def masquerade(case: Case) -> None:
    """From outside a container's connections are seen to come from the host's address on the uplink.

    Nobody outside knows the way to containers' addresses, in most places. Promised as `masquerade`.
    """
    (one,) = join(case, "masquerade")
    for family in one.addresses:
        with told("from a masqueraded container to the outside"):
            for talk in (exchange_datagrams, connect):
                seen = talk(one.netns, case.outside.path, OUTSIDE[family])
                expect(
                    seen == HOST[family], f"outside, {seen} was seen in place of the host's {HOST[family]}"
                )
    case.note("who is seen outside", [HOST[family] for family in one.addresses])


@clause("datapath-no-masquerade", Level.DATAPATH, "beyond", "hides nobody within a network", kinds=INTERFACE)
def no_masquerade(case: Case) -> None:
    """Among containers of a network, and on the host, a masqueraded container is seen by its own address.

    Promised as `masquerade` and `peers`.
    """
    first, second = join(case, "masquerade", 2)
    for family, own in first.addresses.items():
        for talk in (exchange_datagrams, connect):
            if "peers" in case.profile.promises:
                with told("from one masqueraded container to another"):
                    seen = talk(first.netns, second.netns, second.addresses[family])
                expect(seen == own, f"a container of the same network saw {seen} in place of {own}")
            if family in first.gateways:
                with told("from a masqueraded container to the host"):
                    seen = talk(first.netns, "", first.gateways[family])
                expect(seen == own, f"the host saw {seen} in place of {own}")


CLAUSES = (masquerade, no_masquerade)
