"""The snapshot on disk: whole, or as if it were not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overlay.flannel_form import load_lease
from overlay.net_conf import parse_net_conf
from overlay.record import Mode, NodeRecord, Offer
from overlay.state import FILE, State, load_state, save_state
from tests.overlay import golden
from tests.overlay.records import classic, node, records

CONF = parse_net_conf(json.dumps({
    "Network": "10.244.0.0/16", "EnableIPv6": True, "IPv6Network": "fd00::/48", "SubnetLen": 25,
    "Backend": {"Type": "vxlan-gpe", "Port": 4789, "DirectRouting": True},
}), "here")[0]  # fmt: skip
FLANNELD = node(3, offers=(classic(3, port=0),), node="", boot="", mtu=0, wire_version=0)
WHOLE = State(
    CONF, node(1), (node(1, "10.244.200.0/24", created=9, block_of=node(1).key),),
    (node(1), FLANNELD, replace(node(4, offers=(Offer(Mode.GPE, 4790, 1),)), is_live=False)),
)  # fmt: skip


def test_there_is_none_at_the_first_start(tmp_path: Path) -> None:
    assert load_state(tmp_path / "nowhere") == (State(), "")


@pytest.mark.parametrize("state", [WHOLE, State(), replace(WHOLE, own=None), replace(WHOLE, net_conf=None)])
def test_it_is_read_as_it_was_written(tmp_path: Path, state: State) -> None:
    save_state(tmp_path, state)
    assert load_state(tmp_path) == (state, "")
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_a_block_knows_its_lease_afterwards(tmp_path: Path) -> None:
    save_state(tmp_path, WHOLE)
    assert load_state(tmp_path)[0].blocks[0].block_of == node(1).key


@given(st.lists(records(), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_records_are_read_back(tmp_path: Path, crowd: list[NodeRecord]) -> None:
    state = State(CONF, crowd[0] if crowd else None, (), tuple(crowd))
    save_state(tmp_path, state)
    assert load_state(tmp_path) == (state, "")


def test_what_flannel_wrote_survives(tmp_path: Path) -> None:
    golden.need()
    crowd = tuple(load_lease(key, value, created=7) for key, value in golden.leases())
    save_state(tmp_path, State(records=crowd))
    assert load_state(tmp_path) == (State(records=crowd), "")


def test_a_kubernetes_node_may_have_several_subnets_of_a_family(tmp_path: Path) -> None:
    crowd = (node(1, "10.244.1.0/24", "10.244.9.0/24", "fd00:244::/64", key="node-1"),)
    save_state(tmp_path, State(records=crowd))
    assert load_state(tmp_path) == (State(records=crowd), "")


def test_one_cut_short_at_any_byte_is_as_good_as_none(tmp_path: Path) -> None:
    save_state(tmp_path, WHOLE)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        state, trouble = load_state(tmp_path)
        assert state == State() and FILE in trouble, end


def test_one_with_any_byte_changed_is_as_good_as_none(tmp_path: Path) -> None:
    save_state(tmp_path, WHOLE)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for position in range(len(whole)):
        for value in (whole[position] ^ 1, 0, 0xFF):
            path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            state, trouble = load_state(tmp_path)
            assert state == State() and FILE in trouble, (position, value)


def test_one_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    state, trouble = load_state(tmp_path)
    assert state == State() and "cannot be read" in trouble


def test_one_of_another_version_is_named(tmp_path: Path) -> None:
    from zlib import crc32

    for body in ("{}", "[]", "7", '{"net_conf": null, "own": 5, "blocks": [], "records": []}'):
        seal = f"podwire-overlay 1 {crc32(body.encode()):08x}"
        (tmp_path / FILE).write_text(f"{seal}\n{body}")
        state, trouble = load_state(tmp_path)
        assert state == State() and "another version" in trouble
