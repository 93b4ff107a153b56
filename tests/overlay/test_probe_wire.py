"""The packets that nodes ask each other with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay.probe_wire import ANSWER, IP_HEADER, MAGIC, QUESTION, SIZE, Probe, dump, load, packet_size

probes = st.builds(
    Probe, st.sampled_from((QUESTION, ANSWER)), st.integers(0, (1 << 64) - 1), st.integers(0, 65535)
)


@given(probes, st.sampled_from((4, 6)), st.booleans())
def test_a_packet_is_read_as_it_was_written(probe: Probe, version: int, pad: bool) -> None:
    assert load(dump(probe, version, pad=pad)) == probe


@given(probes, st.sampled_from((4, 6)))
def test_a_padded_packet_has_the_size_it_speaks_of(probe: Probe, version: int) -> None:
    payload = dump(probe, version, pad=True)
    assert packet_size(payload, version) == max(probe.size, IP_HEADER[version] + 8 + SIZE)


@given(probes, probes, st.sampled_from((4, 6)))
def test_an_answer_is_never_larger_than_its_question(question: Probe, answer: Probe, version: int) -> None:
    assert len(dump(answer, version)) <= len(dump(question, version, pad=True))


@given(st.binary(max_size=64))
def test_any_packet_is_a_probe_or_none(payload: bytes) -> None:
    probe = load(payload)
    assert probe is None or payload.startswith(MAGIC)


GOOD = dump(Probe(QUESTION, 7, 1450), 4)


@pytest.mark.parametrize("end", range(SIZE))
def test_a_packet_cut_short_is_none(end: int) -> None:
    assert load(GOOD[:end]) is None


@pytest.mark.parametrize("position", range(6))
def test_another_magic_version_or_kind_is_none(position: int) -> None:
    assert load(GOOD[:position] + b"\xff" + GOOD[position + 1 :]) is None
