"""What the overlay asks of the kernel: judged as `ip` and `nft` judge it, and nothing is left."""

from __future__ import annotations

import pytest

from podwire.doctor import kernel_features
from podwire.doctor.features import Feature, nft
from podwire.doctor.kernel_features import look_at_kernel
from podwire.doctor.overlay_features import OVERLAY_FEATURES, ip
from podwire.doctor.verdict import State
from tests.calls import dump, run

pytestmark = pytest.mark.usefixtures("host")

BY_HAND = {
    "vxlan-gpe": "ip link add gpe0 type vxlan external gpe dstport 4790; ip link set gpe0 up",
    "nexthop with encapsulation": "ip nexthop add id 9 encap ip id 1 dst 192.0.2.1 dev gpe0",
    "nexthop objects": "ip route add 198.51.100.0/24 nhid 9",
    "mtu lock routes": "ip route add 203.0.113.0/24 dev gpe0 mtu lock 1400",
    "nft raw payload in sets": (
        "nft add table inet t; nft 'add set inet t s { typeof ip saddr . @th,336,32; flags interval; }'"
        "; nft 'add chain inet t c; add rule inet t c ip saddr . @th,336,32 @s accept'"
    ),
    "nft notrack": (
        "nft 'add chain inet t r { type filter hook output priority -300; }; add rule inet t r notrack'"
    ),
}


def test_each_feature_is_judged_as_by_hand() -> None:
    seen = {one.name: one for one in look_at_kernel()}
    assert {feature.name for feature in OVERLAY_FEATURES} == set(BY_HAND)

    for name, command in BY_HAND.items():
        assert seen[name].state is State.FINE, seen[name]  # as on this kernel, where all of them work:
        run(["sh", "-ec", command])


@pytest.mark.parametrize(
    "probe", [ip("nexthop add id 0 via nobody"), ip(device=("link add probe1 type no-such",)), nft("no such")]
)
def test_what_the_kernel_refuses_is_lacking_and_leaves_nothing(
    probe: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump()
    assert callable(probe)
    refused = Feature("refused", probe, "nothing", "NO_SUCH")
    monkeypatch.setattr(kernel_features, "OVERLAY_FEATURES", (refused, *OVERLAY_FEATURES))
    seen = {one.name: one for one in look_at_kernel()}

    assert seen["refused"].state is State.LACKING and "CONFIG_NO_SUCH" in seen["refused"].advice
    assert "Cannot find device" not in seen["refused"].found  # the first trouble, not the removal's
    assert seen["vxlan-gpe"].state is State.FINE
    assert dump() == before
