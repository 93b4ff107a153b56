"""What each way takes from a packet; the figures are those of the kernel's own headers."""

from __future__ import annotations

import pytest

from overlay.mtu import inner_mtu, overhead
from overlay.record import Mode

TABLE = [
    (Mode.VXLAN, 4, 50), (Mode.VXLAN, 6, 70), (Mode.GPE, 4, 36), (Mode.GPE, 6, 56), (Mode.DIRECT, 4, 0),
    (Mode.DIRECT, 6, 0),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "outer", "taken"), TABLE)
def test_each_way_takes_its_headers(mode: Mode, outer: int, taken: int) -> None:
    assert overhead(mode, outer) == taken
    assert overhead(mode, outer, encryption=73) == taken + 73
    assert inner_mtu(1500, mode, outer) == 1500 - taken
    assert inner_mtu(9000, mode, outer, encryption=60) == 9000 - taken - 60


def test_no_underlay_is_so_small_that_nothing_passes() -> None:
    assert inner_mtu(100, Mode.VXLAN, 6) == 576
