"""subnet.env: flannel's own files, and ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.subnet import parse_subnet
from overlay.subnet_env import SubnetEnv, parse_subnet_env, write_subnet_env
from tests.overlay.flannel.recordings import FOLDER
from tests.overlay.records import subnets

FILES = sorted(FOLDER.glob("*/*.subnet.env"))
FOUR = SubnetEnv((parse_subnet("10.244.0.0/16"),), (parse_subnet("10.244.17.0/24"),), 1450, True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_flannel_wrote_is_written_again_byte_for_byte(path: Path) -> None:
    text = path.read_text()
    assert parse_subnet_env(text).dump() == text


def test_one_family_has_no_line_of_the_other() -> None:
    assert FOUR.dump().splitlines() == [
        "FLANNEL_NETWORK=10.244.0.0/16", "FLANNEL_SUBNET=10.244.17.1/24", "FLANNEL_MTU=1450",
        "FLANNEL_IPMASQ=true",
    ]  # fmt: skip


@st.composite
def contents(draw: st.DrawFn) -> SubnetEnv:
    versions = draw(st.sampled_from(((4,), (6,), (4, 6))))
    networks = tuple(draw(subnets(version)) for version in versions)
    first = tuple(draw(subnets(version)) for version in versions)
    blocks = tuple(block for version in versions for block in draw(st.lists(subnets(version), max_size=3)))
    return SubnetEnv(networks, (*first, *blocks), draw(st.integers(576, 65535)), draw(st.booleans()))


@given(contents())
def test_it_is_read_as_it_is_written(content: SubnetEnv) -> None:
    again = parse_subnet_env(content.dump())
    assert again == content


BY_HAND = """# written by hand

FLANNEL_MTU=1450
FLANNEL_SUBNET = 10.244.17.1/24
FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_IPMASQ=true
ANOTHER=1
"""


@pytest.mark.parametrize("text", [BY_HAND, BY_HAND.replace("\n", "\r\n")])
def test_what_a_person_wrote_is_read(text: str) -> None:
    assert parse_subnet_env(text) == FOUR


def test_masquerade_that_is_not_said_is_the_plugins_business() -> None:
    text = "\n".join(line for line in FOUR.dump().splitlines() if "IPMASQ" not in line)
    assert not parse_subnet_env(text).ip_masq


BAD = {
    "": "FLANNEL_MTU",
    "FLANNEL_MTU=1450\n": "FLANNEL_NETWORK",
    FOUR.dump().replace("FLANNEL_MTU=1450\n", ""): "FLANNEL_MTU",
    FOUR.dump().replace("1450", "much"): "FLANNEL_MTU",
    FOUR.dump().replace("1450", "-1"): "FLANNEL_MTU",
    FOUR.dump().replace("1450", "٣"): "FLANNEL_MTU",
    FOUR.dump().replace("true", "yes"): "FLANNEL_IPMASQ",
    FOUR.dump().replace("/24", ""): "10.244.17.1",
    FOUR.dump().replace("/24", "/99"): "99",
    FOUR.dump().replace("/24", "/²"): "10.244.17.1",
    FOUR.dump().replace("10.244.17.1", "here"): "here",
    FOUR.dump() + "nonsense\n": "line 5",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=BAD[text]):
        parse_subnet_env(text)


def test_the_file_is_replaced_as_a_whole_and_only_if_it_says_something_else(tmp_path: Path) -> None:
    path = tmp_path / "run/flannel/subnet.env"
    assert write_subnet_env(path, FOUR)
    first = path.stat()
    assert not write_subnet_env(path, FOUR) and path.stat() == first
    with path.open() as held:
        assert write_subnet_env(path, SubnetEnv(FOUR.networks, FOUR.subnets, 1400, True))
        assert parse_subnet_env(held.read()) == FOUR, "who has it open reads the old one to its end"
    assert parse_subnet_env(path.read_text()).mtu == 1400
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["subnet.env"]
    path.write_bytes(b"\xff\xfe")
    assert write_subnet_env(path, FOUR) and path.read_text() == FOUR.dump()
