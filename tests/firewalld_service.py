"""A service that answers as firewalld does, on a message bus of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FIREWALLD = """
import sys
from jeepney import MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
sources = set()
with open_dbus_connection(bus="SYSTEM") as bus:
    bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.FirewallD1"))
    print("ready", flush=True)
    while True:
        message = bus.receive()
        if message.header.message_type is not MessageType.method_call:
            continue
        method = message.header.fields[3]
        if method == "querySource":
            bus.send(new_method_return(message, "b", (tuple(message.body) in sources,)))
            continue
        change = {"addSource": sources.add, "removeSource": sources.discard}[method]
        change(tuple(message.body))
        print(method, *message.body, flush=True)
        bus.send(new_method_return(message, "s", (message.body[0],)))
"""
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""


@contextmanager
def running_firewalld(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Start a message bus of our own and a service on it that keeps sources as firewalld does."""
    config, path = folder / "bus.conf", folder / "bus"
    config.write_text(BUS_CONFIG.format(path=path))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
    bus = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert bus.stdout is not None and bus.stdout.readline()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    service = subprocess.Popen(
        [sys.executable, "-c", FIREWALLD], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert service.stdout is not None and service.stdout.readline() == "ready\n"
    try:
        yield service
    finally:
        for process in (service, bus):
            process.kill()
            process.wait()
