"""The journal: one line of JSON a request, to journald or to a file, if the node's owner asked for it.

Silent unless the environment variable PODWIRE_LOG or `[log] to` in /etc/podwire/agent.toml says
"journald" or names a file. `Entry` is what is said, `to_line` and `to_datagram` are its forms, `record`
sends it. A log that cannot be written never fails the request it tells of.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

AGENT_CONFIG = Path("/etc/podwire/agent.toml")
JOURNALD_SOCKET = "/run/systemd/journal/socket"
MESSAGE_LIMIT = 2000  # characters; keeps an entry in one datagram, and in one atomic write to a file
PRIORITY_ERROR, PRIORITY_INFO = 3, 6  # syslog(3)


VERBOSE = "PODWIRE_VERBOSE"  # of the environment: "1" shows on stderr what the kernel is asked


@dataclass(frozen=True)
class Entry:
    """One request and how it ended. `code` 0 is success; `trace_parent` is W3C Trace Context's, or ""."""

    request_id: str
    verb: str
    plugin: str
    network: str
    container_id: str
    ifname: str
    duration_ms: float
    code: int = 0
    msg: str = ""
    trace_parent: str = ""


def from_environment(
    environment: Mapping[str, str],
    *,
    plugin: str,
    duration_ms: float,
    network: str = "",
    code: int = 0,
    msg: str = "",
    request_id: str = "",
) -> Entry:
    """Make the entry of a request from its CNI_* variables; without `request_id` it gets a random one."""
    return Entry(
        request_id=request_id or os.urandom(8).hex(),
        verb=environment.get("CNI_COMMAND", ""),
        plugin=plugin,
        network=network,
        container_id=environment.get("CNI_CONTAINERID", ""),
        ifname=environment.get("CNI_IFNAME", ""),
        duration_ms=round(duration_ms, 3),
        code=code,
        msg=msg,
        trace_parent=environment.get("TRACEPARENT", ""),
    )


def to_line(entry: Entry) -> str:
    """Print an entry as one line of JSON; what is empty is left out."""
    said = {key: value for key, value in asdict(entry).items() if value != ""}
    return json.dumps(said | ({"msg": entry.msg[:MESSAGE_LIMIT]} if entry.msg else {}))


def to_datagram(entry: Entry) -> bytes:
    """Print an entry in journald's native protocol (systemd's JOURNAL_NATIVE_PROTOCOL).

    The line is the MESSAGE; what one searches for is a field too. No value can hold a line feed: JSON
    escapes it, and in the other fields it would be written as a space.
    """
    fields = {
        "MESSAGE": to_line(entry),
        "PRIORITY": str(PRIORITY_ERROR if entry.code else PRIORITY_INFO),
        "SYSLOG_IDENTIFIER": "podwire",
        "CNI_COMMAND": entry.verb,
        "CNI_CONTAINERID": entry.container_id,
        "CNI_IFNAME": entry.ifname,
        "PODWIRE_PLUGIN": entry.plugin,
        "PODWIRE_NETWORK": entry.network,
        "PODWIRE_CODE": str(entry.code),
    }
    lines = (f"{key}={value.replace(chr(10), ' ')}\n" for key, value in fields.items() if value)
    return "".join(lines).encode("utf-8", "replace")


def record(entry: Entry, to: str | None = None) -> None:
    """Send an entry where `to` says, without it where this node's configuration says; "" is nowhere."""
    target = destination(os.environ) if to is None else to
    try:
        if target == "journald":
            _send(to_datagram(entry))
        elif target:
            _append(Path(target), f"{to_line(entry)}\n".encode())
    except OSError:  # no journald, a full disk, a path that is none: the request goes on
        return


def destination(environment: Mapping[str, str], config: Path = AGENT_CONFIG) -> str:
    """Return "journald", the path of a file, or "" for no log. A configuration nobody can read says no."""
    if "PODWIRE_LOG" in environment:
        return environment["PODWIRE_LOG"]
    try:
        text = config.read_text()
    except (OSError, UnicodeDecodeError):  # most nodes have none
        return ""
    import tomllib  # 4 ms, spent only where there is a file to read

    try:
        log = tomllib.loads(text).get("log")
    except tomllib.TOMLDecodeError:  # the agent says so when it starts
        return ""
    target = log.get("to") if isinstance(log, dict) else None
    return target if isinstance(target, str) else ""


def _send(datagram: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(datagram, socket.MSG_DONTWAIT, JOURNALD_SOCKET)  # a stuck journald delays nobody


def _append(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o640)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def show_kernel_messages() -> None:
    """Print on stderr what the kernel is asked, from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger = logging.getLogger("podwire.kernel")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
