"""Network counters, compared with what iproute2 says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

from pod_runner.kernel.stats import Traffic, traffic
from tests.calls import run

DEADLINE = 60.0  # seconds; a busy machine is no error


def test_counters_of_interfaces_are_what_ip_shows(host: None) -> None:
    run(["ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0"])
    run(["ip", "addr", "add", "10.9.0.1/24", "dev", "a0"])
    run(["ip", "neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:01", "dev", "a0"])
    for name in ("a0", "b0"):
        run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"])
        run(["ip", "link", "set", name, "up"])
    deadline = time.monotonic() + DEADLINE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while traffic(os.getpid())["a0"].sent_packets < 3:  # a link that has just come up drops some
            assert time.monotonic() < deadline
            sender.sendto(b"x" * 100, ("10.9.0.2", 9))
    while (seen := traffic(os.getpid())) != (shown := {name: _shown(name) for name in ("a0", "b0")}):
        assert time.monotonic() < deadline, (seen, shown)  # a packet is received after it was sent


def test_a_process_that_has_gone_has_no_interfaces() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert traffic(gone.pid) == {}


def _shown(name: str) -> Traffic:
    shown = json.loads(subprocess.check_output(["ip", "-j", "-s", "link", "show", name]))[0]["stats64"]
    counters = (shown[way][key] for way in ("rx", "tx") for key in ("bytes", "packets", "errors", "dropped"))
    return Traffic(*counters)
