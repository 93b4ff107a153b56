"""Hostile requests: whatever comes, there is one answer, and nothing left that was not asked for.

Requests are honest ones with something changed: a value of another type, a key too many, a name nobody
could have, bytes that are no JSON. Thousands of them go through every plugin as a function.
"""

from __future__ import annotations

import json
import socket
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_plugins.skeleton import Answer, answer
from cni_spec.versions import ALL_VERSIONS
from tests.calls import Json, run
from tests.rounds import rounds

pytestmark = pytest.mark.campaign

REQUESTS = rounds(1_000)
IPAM: Json = {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}
SUBNET_FILE = "/run/flannel/subnet.env"
PREVIOUS: Json = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "none0"}, {"name": "eth0", "sandbox": "/run/netns/hostile"}],
    "ips": [{"address": "10.9.0.2/24", "gateway": "10.9.0.1", "interface": 1}],
}
HONEST: dict[str, Json] = {
    "bandwidth": {"ingressRate": 8000, "ingressBurst": 8000},
    "bridge": {"bridge": "pod0", "isGateway": True, "ipMasq": True, "macspoofchk": True, "ipam": IPAM},
    "firewall": {"ingressPolicy": "same-bridge", "backend": "nftables"},
    "flannel": {"subnetFile": "/nowhere/subnet.env", "waitTimeout": 0, "delegate": {"hairpinMode": True}},
    "host-local": {"ipam": IPAM},
    "loopback": {},
    "overlay": {
        "subnetFile": SUBNET_FILE,
        "waitTimeout": 0,
        "delegate": {"type": "ptp"},
        "runtimeConfig": {},
    },
    "portmap": {
        "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}
    },
    "ptp": {"ipMasq": True, "ipam": IPAM},
    "static": {"ipam": {"type": "static", "addresses": [{"address": "10.9.0.9/24"}]}},
    "tuning": {"sysctl": {"net.core.somaxconn": "100"}, "mtu": 1400},
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(
        ["", "../x", "a\nb", "x" * 300, "ü", "0.0.0.0/0", "10.0.0.1/33", "::/200", "IFNAME", "\x00"]
    ),
    st.text(max_size=20),
)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)  # fmt: skip # noqa: E501
variables = st.sampled_from(
    ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS", "CNI_PATH"]
)
values = st.sampled_from(["", "../x", "a b", "x" * 2000, "é", "lo", "eth0", "/proc/self/ns/net", "/etc/passwd", "A=1", "IP=1"])  # fmt: skip # noqa: E501


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, str], bytes]:
    """Draw a plugin, an environment and stdin; mostly honest, with some of it changed."""
    plugin = draw(st.sampled_from(PLUGIN_TYPES))
    environment = {
        "CNI_COMMAND": draw(st.sampled_from(["ADD", "ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"])),
        "CNI_CONTAINERID": "hostile",
        "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/hostile",
        "CNI_PATH": "../plugins",
    }
    environment |= draw(st.dictionaries(variables, values, max_size=2))
    body: Any = {"cniVersion": draw(st.sampled_from(ALL_VERSIONS)), "name": "hostile", "type": plugin}
    body |= deepcopy(HONEST[plugin] | {"prevResult": PREVIOUS})
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, body)
    stdin = json.dumps(body).encode("utf-8", "surrogatepass")
    return plugin, environment, draw(st.sampled_from([stdin] * 8 + [stdin[:-3], b"\xff" + stdin, b"", b"[]"]))


def _change(draw: st.DrawFn, body: Any) -> None:
    """Put something else in one place of a tree."""
    keys = [*body, draw(st.text(max_size=6)), "cni.dev/valid-attachments"]
    key = draw(st.sampled_from(keys))
    inner = body.get(key)
    if isinstance(inner, dict) and inner and draw(st.booleans()):
        _change(draw, inner)
    else:
        body[key] = draw(anything)


@pytest.mark.parametrize("share", range(2))
def test_every_request_gets_one_clear_answer(
    host: None, share: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, plugins = tmp_path / "here", tmp_path / "plugins"
    here.mkdir()
    plugins.mkdir()
    for name in PLUGIN_TYPES:  # so that an IPAM plugin of ours is found, and run in this process
        (plugins / name).write_text("#!/bin/false\n# podwire plugin\n")
    Path(SUBNET_FILE).write_text(
        "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.0.1/24\nFLANNEL_MTU=1450\n"
    )
    monkeypatch.chdir(here)
    run(["ip", "netns", "add", "hostile"])

    @settings(
        max_examples=REQUESTS // 2,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def campaign(request: tuple[str, dict[str, str], bytes]) -> None:
        plugin, environment, stdin = request
        before = socket.if_nameindex()
        given_answer = answer(load_plugin(plugin), environment, stdin, warn=lambda _: None)
        _judge(given_answer, environment)
        if given_answer.status != 0:
            assert socket.if_nameindex() == before
        else:
            answer(load_plugin(plugin), environment | {"CNI_COMMAND": "DEL"}, stdin, warn=lambda _: None)

    try:
        campaign()
    finally:
        run(["ip", "netns", "del", "hostile"])
    assert not list(here.iterdir())  # a relative path in a configuration is no place to write to


def _judge(given_answer: Answer, environment: dict[str, str]) -> None:
    assert "Traceback" not in given_answer.stdout
    if given_answer.status == 0:
        speaks = environment["CNI_COMMAND"] in ("ADD", "VERSION")
        assert bool(given_answer.stdout) == speaks
        assert not speaks or isinstance(json.loads(given_answer.stdout), dict)
        return
    error = json.loads(given_answer.stdout)
    assert set(error) <= {"cniVersion", "code", "msg", "details"} and error["cniVersion"] in ALL_VERSIONS
    assert isinstance(error["code"], int) and error["code"] != 999, error
    assert error["msg"].strip()
