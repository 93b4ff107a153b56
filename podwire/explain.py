"""The plan of an ADD, plugin by plugin, as the commands it stands for. Nothing is done.

Each plugin of ours is asked for its plan (`Plugin.explain`) with the result that the plugins before it
would have left. A foreign plugin's is not known: the call itself stands for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cni_plugins.delegate import Ipam, ipam_type
from cni_plugins.plugin import Call
from cni_plugins.registry import PLUGIN_TYPES, load_plugin
from cni_spec.config import NetworkConfig, parse_config
from cni_spec.json_input import JsonObject
from cni_spec.network_list import NetworkList, PluginEntry
from cni_spec.request import Request, Verb
from cni_spec.result import Interface, Result
from linuxnet.kernel import Kernel
from pod_runner.cni.derive import Target, derive


@dataclass(frozen=True)
class Explanation:
    """What one plugin would do: its type, the commands in order, what is to be remarked."""

    plugin: str
    commands: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # that its IPAM would give, without prefix lengths


def explain(network: NetworkList, target: Target, kernel: Kernel) -> list[Explanation]:
    """Return what an ADD of a target would do on this machine as it is now.

    Raises:
        CniError: a plugin refuses its configuration, or could not serve the request.
    """
    explanations: list[Explanation] = []
    result: Result | None = None
    for entry in network.plugins:
        if entry.type not in PLUGIN_TYPES:
            command = f"CNI_COMMAND=ADD CNI_IFNAME={target.ifname} {entry.type}"
            explanations.append(
                Explanation(entry.type, (command,), ("not one of podwire's: its plan is its own",))
            )
            continue
        explanation, result = _explain_one(network, entry, target, result, kernel)
        explanations.append(explanation)
    return explanations


def _explain_one(
    network: NetworkList, entry: PluginEntry, target: Target, before: Result | None, kernel: Kernel
) -> tuple[Explanation, Result | None]:
    remarks: list[str] = []
    call = _call(network, entry, target, before, kernel, remarks.append)
    plugin, call = load_plugin(entry.type).resolve(call)
    commands = tuple(str(op) for op in plugin.explain(call))
    after = before
    addresses: tuple[str, ...] = ()
    if ipam_type(call.config.ipam):
        after = _predict(call)
        given = ", ".join(str(ip.address) for ip in after.ips)
        addresses = tuple(str(ip.address).partition("/")[0] for ip in after.ips)
        remarks.append(f"{ipam_type(call.config.ipam)} would give {given or 'no address'}")
    return Explanation(entry.type, commands, tuple(remarks), addresses), after or _without_addresses(call)


def _call(
    network: NetworkList,
    entry: PluginEntry,
    target: Target,
    before: Result | None,
    kernel: Kernel,
    warn: Callable[[str], None],
) -> Call[Any]:
    previous = None if before is None else before.to_json(network.version)
    body = derive(network, entry, capability_args=target.capability_args, prev_result=previous)
    config, found = parse_config(load_plugin(entry.type).config, body)
    for remark in found:
        warn(remark)
    return Call(_request(target, body), config, kernel, before, warn)


def _request(target: Target, body: JsonObject) -> Request:
    return Request(
        verb=Verb.ADD,
        container_id=target.container_id,
        netns=target.netns,
        ifname=target.ifname,
        args=dict(target.args),
        path=(),
        body=body,
        stdin=b"",
        environment={},
    )


def _predict(call: Call[NetworkConfig]) -> Result:
    """Return the result that a plugin with an IPAM would leave: its veth, and the addresses inside."""
    made = _without_addresses(call)
    given = Ipam(call).preview()
    inner = len(made.interfaces) - 1
    ips = tuple(ip.model_copy(update={"interface": inner}) for ip in given.ips)
    return given.with_(interfaces=made.interfaces, ips=ips)


def _without_addresses(call: Call[NetworkConfig]) -> Result:
    outer = Interface(name=call.attachment.veth_name)
    bridge = getattr(call.config, "bridge", "")
    inner = Interface(name=call.request.ifname, sandbox=call.request.netns or "CONTAINER")
    return Result(interfaces=(*([Interface(name=bridge)] if bridge else []), outer, inner))
