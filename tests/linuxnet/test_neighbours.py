"""Neighbours: said by us, told by `ip -j`, taken back."""

from __future__ import annotations

import pytest
from netaddr import IPAddress

from linuxnet.kernel import Kernel
from linuxnet.neighbours import Neighbour
from linuxnet.op import Where
from tests.calls import ip_json, run


@pytest.mark.parametrize("address", ["10.9.0.7", "fd09::7"])
def test_an_entry_is_set_changed_and_taken_back(host: None, address: str) -> None:
    run(
        [
            "sh",
            "-c",
            "ip link add v0 type veth peer name v1; ip link set v0 up; ip addr add 10.9.0.1/24 dev v0",
        ]
    )
    with Kernel() as kernel:
        first = Neighbour(Where.HOST, "v0", IPAddress(address), "02:00:00:00:00:07")
        other = Neighbour(Where.HOST, "v0", IPAddress(address), "02:00:00:00:00:08")
        assert "missing" in str(first.difference(kernel))
        take_back = kernel.apply(first)
        assert kernel.apply(first) is None
        back_to_first = kernel.apply(other)
        assert "02:00:00:00:00:08" in str(first.difference(kernel))
        assert back_to_first is not None and take_back is not None
        kernel.apply(back_to_first)
        entries = [one for one in ip_json("neigh", "show", "dev", "v0") if one["dst"] == address]
        assert [(one["lladdr"], one["state"]) for one in entries] == [("02:00:00:00:00:07", ["PERMANENT"])]
        kernel.apply(take_back)
        kernel.apply(take_back)
    assert [one for one in ip_json("neigh", "show", "dev", "v0") if one["dst"] == address] == []
