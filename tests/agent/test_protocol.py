"""What launcher and agent say to each other: every form there and back, everything else refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.agent.protocol import (
    BODY_LIMIT,
    HEADER,
    NOT_SERVED,
    ProtocolError,
    Reply,
    Request,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
    read_header,
)

TEXT = st.text(st.characters(exclude_characters="\0=", codec="utf-8"), min_size=1, max_size=20)


@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=5), st.binary(max_size=200))
def test_a_request_comes_out_as_it_went_in(plugin: str, environment: dict[str, str], stdin: bytes) -> None:
    data = encode_request(Request(plugin, environment, stdin))

    assert read_header(data[: HEADER.size]) == len(data) - HEADER.size
    assert decode_request(data[HEADER.size :]) == Request(plugin, environment, stdin)


@given(st.sampled_from([0, 1, 255, NOT_SERVED]), st.binary(max_size=99), st.binary(max_size=99))
def test_an_answer_comes_out_as_it_went_in(status: int, out: bytes, err: bytes) -> None:
    assert decode_reply(encode_reply(Reply(status, out, err))) == Reply(status, out, err)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_protocol_error(data: bytes) -> None:
    for read in (decode_request, decode_reply, lambda d: read_header(d[:8].ljust(8, b"\0"))):
        with contextlib.suppress(ProtocolError):
            read(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEADER.pack(b"HTTP", 3), "no request"),
        (HEADER.pack(b"PWR1", BODY_LIMIT + 1), "too many"),
        (HEADER.pack(b"PWR1", 0xFFFFFFFF), "too many"),
    ],
)
def test_a_header_that_is_none_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        read_header(data)


@pytest.mark.parametrize("body", [b"", b"bridge", b"bridge\0A=1\0", b"\0\0", b"bridge\0novalue\0\0{}"])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(body)


def test_an_empty_variable_does_not_end_the_variables() -> None:
    body = b"bridge\0CNI_ARGS=\0CNI_COMMAND=ADD\0\0{}"

    assert decode_request(body).environment == {"CNI_ARGS": "", "CNI_COMMAND": "ADD"}


@pytest.mark.parametrize("cut", [0, 3, 15, 17])
def test_half_an_answer_is_none(cut: int) -> None:
    with pytest.raises(ProtocolError):
        decode_reply(encode_reply(Reply(0, b"{}", b""))[:cut])
