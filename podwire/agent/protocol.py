"""A request and an answer as bytes: what launcher and agent say to each other. Pure.

    request   "PWR1", length of the body, body; with its first bytes the descriptors of the caller's own
              network namespace and of CNI_NETNS, opened where the caller is
    body      NUL-ended strings: the plugin's type, then KEY=VALUE each, then an empty one; then stdin
    answer    "PWA1", exit status, length of stdout, length of stderr; stdout, stderr

Numbers take 32 bits, little-endian. One request and one answer a connection. `podwire/install/launcher.c`
and `podwire/install/python_launcher.py` are the other side.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

REQUEST_MAGIC, ANSWER_MAGIC = b"PWR1", b"PWA1"
BODY_LIMIT = (4 << 20) + (132 << 10)  # bytes; stdin and variables at their limits
ANSWER_LIMIT = 5 << 20
NOT_SERVED = 0xFFFFFFFF  # a status: the caller runs the plugin itself, as if there were no agent
STATUS = "@status"  # in a type's place: a question to the agent itself
OVERLAY = "@overlay"  # and one to its overlay, put as JSON on stdin
SERVICES = "@services"  # and to what serves services and their names
RUNNER = "@runner"  # and to what has the pods
HEADER = struct.Struct("<4sI")
_ANSWER = struct.Struct("<4sIII")


class ProtocolError(Exception):
    """Bytes that are no request, or no answer; the message says why."""


@dataclass(frozen=True)
class Request:
    """One call of a plugin, as its launcher got it."""

    plugin: str
    environment: Mapping[str, str]
    stdin: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """What a launcher prints, and how it exits."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""


def encode_request(request: Request) -> bytes:
    """Return a whole request."""
    strings = [request.plugin, *(f"{key}={value}" for key, value in request.environment.items()), ""]
    body = b"".join(one.encode("utf-8", "surrogateescape") + b"\0" for one in strings) + request.stdin
    return HEADER.pack(REQUEST_MAGIC, len(body)) + body


def read_header(header: bytes) -> int:
    """Return the length of the body that follows. Raises ProtocolError if it is too long, or no header."""
    magic, length = HEADER.unpack(header)
    if magic != REQUEST_MAGIC:
        raise ProtocolError("no request of a launcher")
    if length > BODY_LIMIT:
        raise ProtocolError(f"a request of {length} bytes, of which {BODY_LIMIT} are too many")
    return int(length)


def decode_request(body: bytes) -> Request:
    """Return the request of a body. Raises ProtocolError if it is none."""
    head, found, stdin = body.partition(b"\0\0")
    if not found or not head:
        raise ProtocolError("variables without an end")
    plugin, *variables = head.decode("utf-8", "surrogateescape").split("\0")
    pairs = [one.partition("=") for one in variables]
    if not all(equals for _, equals, _ in pairs):
        raise ProtocolError("a variable without a value")
    return Request(plugin, {key: value for key, _, value in pairs}, stdin)


def encode_reply(reply: Reply) -> bytes:
    """Return a whole answer."""
    header = _ANSWER.pack(ANSWER_MAGIC, reply.status, len(reply.stdout), len(reply.stderr))
    return header + reply.stdout + reply.stderr


def decode_reply(data: bytes) -> Reply:
    """Return the answer in what was received. Raises ProtocolError if it is not a whole one."""
    if len(data) < _ANSWER.size:
        raise ProtocolError("the agent ended before it answered")
    magic, status, out, err = _ANSWER.unpack_from(data)
    if magic != ANSWER_MAGIC or len(data) != _ANSWER.size + out + err:
        raise ProtocolError("no whole answer of an agent")
    start = _ANSWER.size
    return Reply(status, data[start : start + out], data[start + out :])
