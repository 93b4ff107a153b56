"""Waves of pods through one agent: nothing grows. The long form is `./dev bench soak`."""

from __future__ import annotations

import pytest

from bench.contenders import agent_host, write_launchers
from bench.soak import soak
from tests.rounds import rounds

pytestmark = pytest.mark.campaign

PODS, WAVE = rounds(150), 30


def test_waves_of_pods_leave_nothing_in_the_agent(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write_launchers(tmp_path_factory.mktemp("soak") / "bin")
    with agent_host(folder) as host:
        before, after = soak(host, PODS, WAVE)

    assert after["memory"] <= before["memory"] * 1.1
    for name in ("descriptors", "threads", "links", "nft elements", "files"):
        assert after[name] <= before[name], name
