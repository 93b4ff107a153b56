"""Plugins that write down how they were called, and a runtime to call them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cni_spec.json_input import JsonObject
from cni_spec.network_list import NetworkList, parse_network_list
from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime

# Writes one line a call, then answers as <name>.json says for the verb: status, stdout, stderr.
RECORDER = f"""#!{sys.executable} -IS
import json, os, sys
here = os.path.dirname(os.path.abspath(sys.argv[0]))
name = os.path.basename(sys.argv[0])
verb = os.environ["CNI_COMMAND"]
body = json.load(sys.stdin)
with open(here + "/calls.jsonl", "a") as log:
    netns = os.stat("/proc/self/ns/net").st_ino
    call = dict(plugin=name, verb=verb, env=dict(os.environ), body=body, netns=netns)
    log.write(json.dumps(call) + "\\n")
with open(here + "/" + name + ".json") as file:
    answer = json.load(file).get(verb, {{}})
previous = body.get("prevResult") or {{"ips": []}}
result = dict(cniVersion=body["cniVersion"], ips=previous["ips"] + [dict(address="10.0.0.9/24")])
if body["cniVersion"] < "1.0.0":
    for ip in result["ips"]:
        ip["version"] = "4"
sys.stdout.write(answer.get("stdout", json.dumps(result) if verb == "ADD" else ""))
sys.stderr.write(answer.get("stderr", ""))
sys.exit(answer.get("status", 0))
"""


@dataclass(frozen=True)
class Call:
    """One line of the record."""

    plugin: str
    verb: str
    env: dict[str, str]
    body: JsonObject
    netns: int


@dataclass
class World:
    """A CNI_PATH with recording plugins, a cache, and a runtime on both."""

    root: Path
    stderr: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.bin = self.root / "bin"
        self.bin.mkdir()
        self.cache = ResultCache(self.root / "cache")
        self.runner = PluginRunner((str(self.bin),), os.environ, relay=self.stderr.extend)
        self.runtime = Runtime(self.runner, self.cache)

    def plugin(self, name: str, **answers: Mapping[str, object]) -> None:
        """Install a plugin, or change what it answers."""
        (self.bin / f"{name}.json").write_text(json.dumps(answers))
        (self.bin / name).write_text(RECORDER)
        (self.bin / name).chmod(0o755)

    def fail(self, name: str, verb: str, code: int = 111, msg: str = "no") -> None:
        """Let a plugin fail one verb."""
        self.plugin(name, **{verb: {"status": 1, "stdout": json.dumps({"code": code, "msg": msg})}})

    def network(self, *types: str, version: str = "1.1.0", **keys: object) -> NetworkList:
        """Return a network of recording plugins; those that are not there yet are installed."""
        for name in types:
            if not (self.bin / name).exists():
                self.plugin(name)
        body = {"cniVersion": version, "name": "net1", "plugins": [{"type": name} for name in types]} | keys
        return parse_network_list(json.dumps(body).encode(), "test")

    def calls(self) -> list[Call]:
        """Return what was called so far."""
        log = self.bin / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [Call(**json.loads(line)) for line in lines]

    def said(self) -> list[str]:
        """Return plugin and verb of every call: "a ADD"."""
        return [f"{call.plugin} {call.verb}" for call in self.calls()]

    def forget(self) -> None:
        """Begin a new record."""
        (self.bin / "calls.jsonl").unlink(missing_ok=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def target() -> Target:
    return Target("c1", "/run/netns/c1", "eth0")
