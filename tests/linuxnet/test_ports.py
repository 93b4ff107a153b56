"""Bridge ports: flags in the kernel; VLANs as the requests that a kernel with them would get."""

from __future__ import annotations

import json

import pytest

from linuxnet.kernel import Kernel
from linuxnet.ports import ACCESS, TAGGED, PortFlags, PortVlans, Ranges, ranges
from tests.calls import run


def test_flags_are_set_checked_and_put_back(host: None) -> None:
    run(
        [
            "sh",
            "-c",
            "ip link add b0 type bridge; ip link add v0 type veth peer name v1; ip link set v0 master b0",
        ]
    )
    with Kernel() as kernel:
        wanted = PortFlags("v0", hairpin=True, isolated=True)
        assert "hairpin is off" in str(wanted.difference(kernel))
        inverse = kernel.apply(wanted)
        seen = json.loads(run(["bridge", "-d", "-j", "link", "show", "dev", "v0"]))[0]
        assert seen["hairpin"] and seen["isolated"] and wanted.difference(kernel) is None
        assert kernel.apply(wanted) is None and inverse is not None
        kernel.apply(inverse)
        assert "isolated" in str(PortFlags("v0", hairpin=False, isolated=True).difference(kernel))


@pytest.mark.parametrize(
    ("vlans", "expected"),
    [
        ({}, ()),
        ({100: ACCESS}, ((100, 100, ACCESS),)),
        ({10: TAGGED, 11: TAGGED, 12: TAGGED, 20: TAGGED}, ((10, 12, TAGGED), (20, 20, TAGGED))),
        ({10: TAGGED, 11: ACCESS, 12: TAGGED}, ((10, 10, TAGGED), (11, 11, ACCESS), (12, 12, TAGGED))),
    ],
)
def test_neighbouring_tagged_vlans_are_one_range(vlans: dict[int, int], expected: Ranges) -> None:
    assert ranges(vlans) == expected


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            PortVlans("v0", 100, ()),
            "bridge vlan del dev v0 vid 1; bridge vlan add dev v0 vid 100 pvid untagged",
        ),
        (
            PortVlans("v0", 0, (101, 200, 201)),
            "bridge vlan add dev v0 vid 1 pvid untagged; bridge vlan add dev v0 vid 101; "
            "bridge vlan add dev v0 vid 200-201",
        ),
        (PortVlans("v0", 5, (), preserve_default=True), "bridge vlan add dev v0 vid 5 pvid untagged"),
    ],
)
def test_a_ports_vlans_are_the_commands_of_the_reference(wanted: PortVlans, said: str) -> None:
    assert str(wanted) == said
