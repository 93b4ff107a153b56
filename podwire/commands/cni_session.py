"""One operation of `podwire cni`, from its options to what is printed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from cni_spec.errors import INVALID_ENVIRONMENT, CniError
from cni_spec.json_input import JsonObject, decode_object
from cni_spec.network_list import NetworkList
from cni_spec.result import Result
from pod_runner.cni.cache import ResultCache
from pod_runner.cni.derive import Target
from pod_runner.cni.lists import load_network
from pod_runner.cni.runner import PluginRunner
from pod_runner.cni.runtime import Runtime
from podwire.commands.failing import FORESEEN, Failed
from podwire.commands.printing import Output, print_json, print_table, say

NETNS_DIRECTORY = Path("/run/netns")  # where ip-netns(8) keeps names


class Session:
    """One operation from its options to what is printed."""

    def __init__(
        self, name: str, conf_dir: Path, cni_path: str, cache_dir: Path, deadline: float, output: Output
    ) -> None:
        path = tuple(part for part in cni_path.split(":") if part)
        self.name = name
        self._conf_dir = conf_dir
        self._output = output
        self._runner = PluginRunner(path, os.environ, deadline=deadline, relay=_relay)
        self.runtime = Runtime(self._runner, ResultCache(cache_dir))

    def load(self) -> NetworkList:
        """Read the network's list as it is now."""
        found = load_network(self.name, self._conf_dir)
        self.runtime.remarks.extend(found.remarks)
        return found.network

    @contextmanager
    def told(self, facts: JsonObject) -> Iterator[None]:
        """Print what became of the operation: timings and remarks, whether it went well or not."""
        try:
            yield
        except FORESEEN as error:
            raise Failed(error, self._end()) from error
        facts |= self._end()
        if self._output is Output.JSON:
            print_json({"network": self.name} | facts)

    def _end(self) -> JsonObject:
        if self._output is Output.JSON:
            return {"plugins": [asdict(step) for step in self._runner.steps], "remarks": self.runtime.remarks}
        for remark in self.runtime.remarks:
            say(remark)
        steps = self._runner.steps
        rows = [(step.plugin, step.verb, f"{step.ms:.1f}", step.error or "ok") for step in steps]
        print_table(("PLUGIN", "VERB", "MS", "OUTCOME"), rows)
        return {}


def print_result(result: Result) -> None:
    """Print what an ADD made, in tables."""
    names = [one.name for one in result.interfaces]
    print_table(
        ("INTERFACE", "MAC", "MTU", "SANDBOX"),
        [(one.name, one.mac, str(one.mtu or ""), one.sandbox) for one in result.interfaces],
    )
    addresses = []
    for ip in result.ips:
        name = names[ip.interface] if ip.interface is not None and 0 <= ip.interface < len(names) else ""
        addresses.append((str(ip.address), str(ip.gateway or ""), name))
    print_table(("ADDRESS", "GATEWAY", "INTERFACE"), addresses)
    print_table(("ROUTE", "VIA"), [(str(one.dst), str(one.gw or "")) for one in result.routes])


def read_target(netns: str, ifname: str, container_id: str, args: str, cap_args: str) -> Target:
    """Turn options into a target.

    Raises:
        CniError: code 4 or 6, for arguments that are no pairs or no JSON object.
    """
    path = resolve_netns(netns)
    supplied = decode_object(cap_args.encode(), "capability arguments") if cap_args else {}
    return Target(container_id or default_container_id(path), path, ifname, _read_args(args), supplied)


def resolve_netns(netns: str) -> str:
    """Return a namespace's absolute path; a plain name is one of ip-netns(8)."""
    if netns and "/" not in netns:
        return str(NETNS_DIRECTORY / netns)
    return str(Path(netns).absolute()) if netns else ""


def default_container_id(netns: str) -> str:
    """Return the id cnitool gives the container of a namespace's path."""
    return f"cnitool-{hashlib.sha512(netns.encode()).hexdigest()[:20]}"


def _read_args(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [pair.split("=", 1) for pair in text.split(";") if pair]
    for pair in pairs:
        if len(pair) != 2:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: expected K=V;K=V, came {pair[0]!r}")
    return tuple((key, value) for key, value in pairs)


def _relay(chunk: bytes) -> None:
    sys.stderr.buffer.write(chunk)
    sys.stderr.buffer.flush()
